package Page;

# A page of docs/ as a site: what it shows of nginx and of an app is taken out of its code blocks
# and run as it stands, with other ports and folders; what it shows of curl is run and compared.
#
# A block of nginx is what may stand in http {}. The first is the configuration; a later one adds
# to it, and a location that is there already is replaced. A block whose first line is a comment
# with a file's name is that file of the app. A block `console` has commands, each after "$ ", and
# what they say; a line "..." stands for any number of others.

use strict;
use warnings;
use File::Basename qw(basename);
use File::Copy qw(copy);
use File::Path qw(make_path);
use Test::More;
use Apps;
use Wire qw(slurp);

our @ISA = ('Apps');

my $report = "%PDF-1.7\n" . join '', map { sprintf "%015d\n", $_ } 1 .. 3012;
$report .= 'x' x (48_213 - length $report);

# The code blocks of a text: [info string, content]...
sub blocks {
    my $text = shift;
    my @blocks;
    push @blocks, [$1, $2] while $text =~ /^```(\S+)[^\n]*\n(.*?)^```$/msg;
    return @blocks;
}

sub new {
    my ($class, $page) = @_;
    local our @blocks = blocks(slurp("docs/$page.md"));
    my $self = $class->SUPER::new(basename($page) . '.conf');
    $self->{page} = basename($page);
    $self->put('srv/reports/2026/q3.pdf', $report);
    $self->put('page/' . basename($_), slurp($_)) for glob 't/apps/pages/models.*';
    for (@blocks) {
        my ($language, $content) = @$_;
        next if $language =~ /^(?:nginx|console)$/;
        my ($name) = $content =~ m{\A(?:<\?php\n)?(?:#|//) ([\w./-]+\.\w+)\n};
        ok(defined $name, "$page: each block of an app says which file it is") or next;
        $self->put("page/$name", $content);
        push @{$self->{files}}, [$name, $content];
    }
    return $self;
}

# The same app behind the same configuration with the block of that number, counted from 1, added.
sub with {
    my ($self, $number) = @_;
    local $self->{added} = $number;
    return $self->beside(basename($self->{conf}), "$self->{what}, block $number of nginx");
}

# In the place of Apps::text: a configuration made of the blocks.
sub text {
    my $self = shift;
    $self->{blocks} //= [our @blocks];
    my @nginx = map { $_->[1] } grep { $_->[0] eq 'nginx' } @{$self->{blocks}};
    my $parts = parts($nginx[0]);
    merge($parts, parts($nginx[$self->{added} - 1])) if $self->{added};
    my $text = join "\n", 'load_module modules/ngx_http_download_module.so;', 'events {', '}', 'http {', '    include mime.types;',
        q(    log_format page '$request_method $request_uri $status $download_grant $download_failure';),
        $parts->{http}, 'server {', '    access_log logs/access.log page;', $parts->{server},
        @{$parts->{locations}}{sort keys %{$parts->{locations}}}, '}', '}', '';
    copy(fastcgi_params(), "$self->{dir}/fastcgi_params") if $text =~ /fastcgi_params/;
    my $index = Apps::app('pages/symfony_site.php');
    return $text =~ s{ /srv/app/public/index\.php}{ $index}gr;
}

# The page's files again, which name this nginx: a folder.
sub own_page {
    my $self = shift;
    my $folder = "$self->{dir}/page";
    for (@{$self->{files}}) {
        $self->put("page/$_->[0]", $_->[1] =~ s/\b127\.0\.0\.1:8080\b/127.0.0.1:$self->{port}/gr);
    }
    return $folder;
}

# A block taken apart: {http, server, locations => {name => text}}.
sub parts {
    my $text = shift;
    my %parts = (http => '', server => '', locations => {});
    if ($text =~ s/^server \{\n(.*?)^\}\n//ms) {
        my $server = $1;
        while ($server =~ s/^    (location [^{]*?) \{\n.*?^    \}\n//ms) { $parts{locations}{$1} = $& }
        $parts{server} = $server;
    }
    $parts{http} = $text;
    return \%parts;
}

sub merge {
    my ($parts, $more) = @_;
    $parts->{$_} .= $more->{$_} for qw(http server);
    %{$parts->{locations}} = (%{$parts->{locations}}, %{$more->{locations}});
}

# --- users -----------------------------------------------------------------------------

# Logs somebody in; the cookie, as a browser would send it.
sub log_in {
    my ($self, $user) = @_;
    my $r = $self->ask("/login?user=$user");
    my $cookie = join '; ', map { $_->[1] =~ /^([^;]+)/ } grep { lc $_->[0] eq 'set-cookie' } @{$r->{headers}};
    ok($r->{status} == 200 && $cookie, "$self->{what}: $user logs in") or do { diag($r->{head}, $r->{body}); $self->show('output') };
    return $self->{users}{$user} = $cookie;
}

# --- what the page says of curl ------------------------------------------------------------

# The commands of the page, which match $which, run one after the other before the site.
sub console {
    my ($self, $which) = @_;
    my $run = 0;
    for (grep { $_->[0] eq 'console' && $_->[1] =~ $which } @{$self->{blocks}}) {
        my @commands = split /^(?=\$ )/m, $_->[1];
        for (@commands) {
            my ($command, $expected) = /^\$ ((?:[^\n]*\\\n)*[^\n]*\n)(.*)/s;
            my $said = $self->shell($command);
            ok(is_like($said =~ s/\r//gr, $expected), "$self->{what}: " . $command =~ s/\s+\z//r) or do { diag("it says:\n$said"); $self->show('error.log'); };
            $run++;
        }
    }
    cmp_ok($run, '>=', 1, "$self->{what}: commands of the page are run");
}

# Is this what is shown, in which a line "..." is any number of others?
sub is_like {
    my ($said, $shown) = @_;
    my $like = join '', map { $_ eq "...\n" ? '(?:.*\n)*?' : quotemeta } split /^/, $shown =~ s/\n+\z/\n/r;
    return $said =~ /\A$like\n*\z/;
}

sub shell {
    my ($self, $command) = @_;
    $command =~ s{\b127\.0\.0\.1:8080\b}{127.0.0.1:$self->{port}}g;
    make_path("$self->{dir}/client");
    local @ENV{keys %{$self->{users}}} = values %{$self->{users}};
    delete local @ENV{grep { /_proxy$/i } keys %ENV};
    open my $out, '-|', 'sh', '-c', "cd '$self->{dir}/client' && $command" or die "sh: $!";
    local $/;
    return (<$out> // '') =~ s{127\.0\.0\.1:$self->{port}\b}{127.0.0.1:8080}gr;
}

# nginx's own, where there is one.
sub fastcgi_params { (grep { -e } '/etc/nginx/fastcgi_params', glob 'target/nginx/*/src/conf/fastcgi_params')[0] }

sub report { $report }

1;
