# README.md, t/, nginx-conf/ and the page of download_status keep up with the tables in the code.

use strict;
use warnings;
use FindBin;
use Test::More;

my $root = "$FindBin::Bin/..";

sub slurp { my ($path) = @_; open my $f, '<', "$root/$path" or die "$path: $!"; local $/; <$f> }
sub all   { my ($glob) = @_; my @files = glob "$root/$glob"; join "\n", map { slurp(s{^\Q$root\E/}{}r) } @files }

my $readme = slurp('README.md');
my $table  = slurp('src/config/directives.rs');
my $tests  = all('t/0*.t') . all('t/1*.t');
my $shown  = all('nginx-conf/*.conf');

my %context = (Http => 'http', Server => 'server', Location => 'location', If => 'if in location', Upstream => 'upstream');
my %named = $table =~ /const (\w+): &\[Context\] =\s*&\[(.*?)\];/gs;

my @directives;
while ($table =~ /name: c"(\w+)",\s*contexts: ([A-Z]+|&\[.*?\]),\s*arguments: \((\d), (\d|[A-Z_]+)\)/gs) {
    my ($name, $where) = ($1, $named{$2} // $2);
    push @directives, [$name, join ', ', map { $context{$_} // die $_ } $where =~ /Context::(\w+)/g];
}
cmp_ok(scalar @directives, '>=', 10, 'the table of directives is found');
is(scalar @directives, scalar(() = $table =~ /name: c"/g), 'each entry of it is understood');

my $after = 0;
for (@directives) {
    my ($name, $where) = @$_;
    my ($paragraph) = $readme =~ /^#### \Q$name\E\n(.*?)(?=^#)/ms;
    ok(defined $paragraph, "README.md has a paragraph on $name") or next;
    my $at = index $readme, "#### $name\n";
    cmp_ok($at, '>', $after, "$name stands where the table has it");
    $after = $at;
    like($paragraph, qr/^\*\*Syntax:\*\* `\Q$name\E[ ;]/m, "$name: Syntax");
    like($paragraph, qr/^\*\*Default:\*\* \S/m, "$name: Default");
    like($paragraph, qr/^\*\*Context:\*\* \Q$where\E\s*$/m, "$name: Context");
    like($tests, qr/\b\Q$name\E[ ;]/, "$name is used in t/");
    like($shown, qr/^\s*\Q$name\E[ ;]/m, "$name is shown in nginx-conf/");
}

my @variables = slurp('src/variables.rs') =~ /name: "(\w+)"/g;
cmp_ok(scalar @variables, '>=', 9, 'the table of variables is found');
like($readme, qr/^\| `\$\Q$_\E` \|/m, "README.md explains \$$_") for @variables;

my ($causes) = slurp('src/endpoint/status.html') =~ /^const CAUSES = \{\n(.*?)^\};/ms;
my %on_page = map { $_ => 1 } $causes =~ /^  (\w+): '/mg;

my ($failures) = slurp('core/src/failure.rs') =~ /^table! \{\n(.*?)^\}/ms;
my @failures = $failures =~ /^\s+\w+\s+"(\w+)"\s+(\d+)/mg;
cmp_ok(@failures / 2, '>=', 20, 'the table of failures is found');
while (my ($label, $status) = splice @failures, 0, 2) {
    # denied and redirected carry the app's own status
    my $shown = $label eq 'denied' ? '4xx' : $label eq 'redirected' ? '3xx' : $status;
    like($readme, qr/^\| `\Q$label\E` \| \Q$shown\E \|/m, "README.md explains $label");
    ok(delete $on_page{$label}, "the page of download_status explains $label");
    like($tests, qr/\b\Q$label\E\b/, "$label is provoked in t/")
        unless $label =~ /^(?:system|internal)$/;    # the machine's own troubles
}
is(join(' ', sort keys %on_page), '', 'the page of download_status explains no other');

my @sources = slurp('core/src/grant.rs') =~ /Self::\w+(?:\(_\)| \{ \.\. \}) => "(\w+)"/g;
cmp_ok(scalar @sources, '>=', 7, 'the kinds of files are found');
my ($source) = $readme =~ /^\| `\$download_source` \|(.*)/m;
like($source, qr/`\Q$_\E`/, "README.md knows \$download_source $_") for @sources;

done_testing();
