# docs/signing.md and the programs beside it: links that they make are good, for plain paths and for
# awkward ones, and no longer are once a byte is changed; and what the text shows is so.

use strict;
use warnings;
use lib 't/lib';
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;
use Time::HiRes qw(sleep);
use Links;
use Standin::Place;
use Wire qw(GET send_to response wait_for fork_off end_of stop slurp);

my $root   = dirname(dirname(abs_path(__FILE__)));
my $nginx  = $ENV{TEST_NGINX_BINARY} || 'nginx';
my ($module) = grep { m{/(?:lib)?ngx_http_download_module\.so$} } split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
defined $module or die "TEST_NGINX_LOAD_MODULES does not name ngx_http_download_module.so\n";

my $owner = $$;
my $dir   = Standin::Place::folder();
my $port  = Standin::Place::free_port() // BAIL_OUT('no free port');
my $text  = slurp("$root/docs/signing.md");

# The key of the text, which the file has first.
my ($key) = $text =~ /\(with the key `([^`]+)`\)/ or BAIL_OUT('docs/signing.md does not name its key');
my $soon  = time + 1000;

# scripts/test and scripts/apps install all of these.
my %by = (py => ['python3'], mjs => ['node'], php => ['php'], rb => ['ruby'], sh => ['sh']);

# Each with a name that is to be told, or none.
my @links = (
    ['/dl/report.pdf'],
    ['/dl/2026/ a b+c%20d%', 'report.pdf'],
    [q{/dl/what?#1&x=1;y quo'te"s~!*()[]{}|^`<>\\}, q{-n 'q' %s}],
    ["/dl/gr\xc3\xb6\xc3\x9fe cafe\xcc\x81 \xe2\x82\xac\xe6\x97\xa5 \xf0\x9f\x98\x80", "Q3 gr\xc3\xb6\xc3\x9fe+\xe2\x82\xac%20;&d=#?.pdf"],
    ['/dl/-n %s%d$HOME$(id):b,c@d'],
    ['/dl/...' . 'x' x 240],
);
my @paths = map { $_->[0] } @links;

run_nginx();
for my $language (sort keys %by) { program($language) }
blocks();
examples();
ends();
done_testing();

# --- the programs --------------------------------------------------------------------------

sub program {
    my $language = shift;
    my $file = "$root/docs/signing/sign.$language";
    my ($interpreter) = grep { -x && -f _ } map { my $name = $_; map { "$_/$name" } split /:/, $ENV{PATH} } @{$by{$language}};
    ok($interpreter, "sign.$language: @{$by{$language}} is installed") or return;
    ok(-x $file && slurp($file) =~ m{^#!/\S+}, "sign.$language: can be run as it is");
    my $sign = sub { line($interpreter, $file, @_) };

    my $link;
    for (@links) {
        my ($path, @name) = @$_;
        $link = $sign->("$dir/keys", $path, $soon, @name);
        like($link, qr{^/dl/[!-~]+\?expires=$soon(?:&basename=[!-~]+)?&signature=[\w-]{43}$}, "sign.$language: $path: a link");
        is(asked($link), "200 $path", "sign.$language: $path: is good");
        is($link, hmac_link($key, $link =~ /^(.*?)\?(.*)&/), "sign.$language: $path: as it is described");
        is(named($link), $name[0], "sign.$language: $path: under the name @name") if @name;
        tampered($language, $link) if @name && $path =~ m{^/dl/2026};
    }
    # by a file with CRLF, and by one without an end of line; an expired link, and one to nothing
    put("$dir/crlf", "$key\r\nanother\r\n");
    is(asked($sign->("$dir/crlf", '/dl/report.pdf', 1)), '403 link_expired', "sign.$language: expired");
    put("$dir/bare", $key);
    is(asked($sign->("$dir/bare", '/dl/nothing', $soon)), '404 missing', "sign.$language: of a file that is not there");
}

# Any byte changed, any left out, and more at the ends.
sub tampered {
    my ($language, $link) = @_;
    my $s = connection();
    my @changed = map { my $at = $_; map { my $l = $link; substr $l, $at, 1, $_ eq substr($l, $at, 1) ? 'B' : $_; $l } 'A', '1', '' } 1 .. length($link) - 1;
    my @good = grep { request($s, $_)->{status} !~ /^40[034]$/ } @changed, "${link}A", "$link=", "$link&", "$link&x=1", "/$link";
    is(join(' ', @good), '', "sign.$language: with a byte changed it is good no more");
    is(asked($link) =~ s/ .*//r, 200, "sign.$language: and it was good");
    cmp_ok(scalar @changed, '>', 300, "sign.$language: bytes were changed");
}

# --- the text --------------------------------------------------------------------------------

# Functions are those of the programs; commands are run.
sub blocks {
    my @blocks;
    push @blocks, [$1, $2] while $text =~ /^```(\w+)\n(.*?)^```$/msg;
    my %file = (python => 'py', js => 'mjs', php => 'php', ruby => 'rb');
    my %seen;
    for my $block (@blocks) {
        my ($language, $code) = @$block;
        $seen{$language}++;
        if (my $file = $file{$language}) {
            ok(index(slurp("$root/docs/signing/sign.$file"), $code) >= 0, "docs/signing.md: the block of $language is in sign.$file");
        }
        elsif ($language eq 'sh' && $code =~ /openssl dgst/) {
            is(line('sh', '-c', $code, 'sh'), hmac_link($key, '/dl/report.pdf', 'expires=1764000000'), 'docs/signing.md: the block of sh: hmac-sha256');
        }
        elsif ($language eq 'sh' && $code =~ /openssl md5/) {
            my ($link) = $text =~ m{^    (/dl/report\.pdf\?md5=.*)$}m;
            is('/dl/report.pdf?md5=' . line('sh', '-c', $code, 'sh') . '&expires=1764000000', $link, 'docs/signing.md: the block of sh: secure-link');
        }
        else { fail("docs/signing.md: a block of $language that is not tested: $code") }
    }
    is(join(' ', map { "$_ $seen{$_}" } sort keys %seen), 'js 1 php 1 python 1 ruby 1 sh 2', 'docs/signing.md: all blocks were found');
    ok(-e "$root/docs/$_", "docs/signing.md: $_ is there") for $text =~ /\]\((signing\/[^)]*)\)/g;
}

# Links that are there in full are signed by its key, and have expired since, but for Django's.
sub examples {
    my @links = $text =~ m{^    (/\S+\?\S*(?:signature|Signature|md5)=[^.\s]\S*)$}mg;
    is(scalar @links, 3, 'docs/signing.md: three links');
    for my $link (@links) {
        is(asked($link =~ /md5=/ ? "/md5$link" : $link), $link =~ /X-Sig/ ? '200 /media/a b.txt' : '403 link_expired', "docs/signing.md: $link");
    }
    my ($query, $signed) = $text =~ m{^    text:  (\S+)\n    URL:   \S+}m;
    is(asked('/dl/report.pdf?' . prefix_link($key, '%2Fdl%2F', '', "expires=$soon") =~ s/.*?\?//r), '200 /dl/report.pdf', 'docs/signing.md: a prefix, escaped');
    like($query, qr{^%2Fdl%2F2025%2F\?expires=\d+&prefix=%2Fdl%2F2025%2F$}, 'docs/signing.md: the text of a link with a prefix');
}

# --- nginx -----------------------------------------------------------------------------------

sub run_nginx {
    mkdir "$dir/$_" for qw(logs tmp files files/dl files/dl/2026 files/media);
    put("$dir/files$_", $_) for @paths, '/media/a b.txt';
    put("$dir/keys", "$key\nanother\n");
    my $user = $> == 0 ? 'user root;' : '';
    my $temp = join '', map { "${_}_temp_path $dir/tmp/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi);
    put("$dir/nginx.conf", <<"END");
load_module $module;
$user
daemon off;
pid $dir/nginx.pid;
error_log $dir/logs/error.log info;
events { }
http {
    $temp
    access_log off;
    keepalive_requests 100000;
    download_storage dl    root=$dir/files/dl;
    download_storage media root=$dir/files/media;
    add_header X-Failure \$download_failure always;
    server {
        listen 127.0.0.1:$port;
        location /dl/ { download storage dl; download_signature hmac-sha256 key_file=keys; }
        location /media/ { download storage media; download_signature django key_file=keys; }
        location ~ ^/md5(?<file>/dl/.*) { download path $dir/files\$file; download_signature secure-link key_file=keys "value=\$arg_expires\$file "; }
        location / { return 404; }
    }
}
END
    our $pid = fork_off(sub {
        open STDOUT, '>>', "$dir/logs/output";
        open STDERR, '>&', \*STDOUT;
        exec $nginx, '-e', "$dir/logs/error.log", '-p', "$dir/", '-c', "$dir/nginx.conf" or die "$nginx: $!";
    });
    ok(wait_for(sub { eval { connection() } }, 10), 'nginx runs') or BAIL_OUT(slurp("$dir/logs/output") . slurp("$dir/logs/error.log"));
}

sub ends {
    our $pid;
    kill 'QUIT', $pid;
    is(end_of($pid), 0, 'nginx ends well');
    my $log = slurp("$dir/logs/error.log");
    is(join('', grep { /\[(?:alert|crit|emerg)\]/ } split /^/, $log), '', 'nothing bad in error.log');
    unlike($log, qr/\Q$key\E/, 'no key in error.log');
}

sub connection { Wire::dial(port => $port) }

sub request {
    my ($s, $target) = @_;
    send_to($s, GET($target, 'Connection: keep-alive'));
    my $r = response($s);
    # nginx closes after a bad request
    $_[0] = connection() if $r->{status} == 400 || $r->{status} == 0;
    return $r;
}

# "200 path of the file", or "403 label".
sub asked {
    my $r = request(my $s = connection(), shift);
    my ($failure) = map { $_->[1] } grep { lc $_->[0] eq 'x-failure' } @{$r->{headers}};
    return "$r->{status} " . ($failure // $r->{body});
}

# The name that the client is told, by filename* where there is one.
sub named {
    my $r = request(my $s = connection(), shift);
    my ($value) = map { $_->[1] } grep { lc $_->[0] eq 'content-disposition' } @{$r->{headers}};
    return $1 =~ s/%([0-9A-F]{2})/chr hex $1/ger if $value =~ /filename\*=UTF-8''(.*)$/;
    return $value =~ /filename="(.*)"$/ ? $1 =~ s/\\(.)/$1/gr : $value;
}

# --- small things -------------------------------------------------------------------------------

# What a command says, which is a line. It knows the key as the text's shell does.
sub line {
    my @command = @_;
    local $ENV{key} = $key;
    open my $out, '-|', 'timeout', 30, @command or die "$command[0]: $!";
    local $/;
    my $said = <$out> // '';
    close $out;
    is($?, 0, "$command[1]: ends well") if $?;
    return $said =~ s/\r?\n\z//r;
}

sub put {
    my ($path, $bytes) = @_;
    open my $f, '>:raw', $path or die "$path: $!";
    print $f $bytes;
    close $f or die "$path: $!";
}

# so that END runs
BEGIN { $SIG{$_} = sub { exit 130 } for qw(INT TERM HUP PIPE) }

END {
    my $status = $?;
    if (defined $owner && $$ == $owner) {
        our $pid;
        stop($pid) if $pid;
        my $kept = Standin::Place::leave($status || !Test::More->builder->is_passing);
        diag("servroot kept: $kept") if defined $kept;
    }
    $? = $status;
}
