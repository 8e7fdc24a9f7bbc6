package Apps;

# An app of a web framework and nginx before it, by one of nginx-conf/: run as it stands, with
# other ports and folders. scripts/apps installs the frameworks.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Path qw(make_path);
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP qw(decode_json);
use Test::More;
use Standin::Place;
use Wire qw(dial GET send_to response wait_for fork_off end_of stop slurp);

$Wire::Timeout = 15;

our $Longest = 300;                                 # seconds that a process of Perl's own may live
our @Alice = ('Cookie: user=alice');

# What the apps serve. Some are there to be taken for others by who decodes once too often, or
# once too little.
my $large = join '', map { "line $_\n" } 1 .. 50_000;
our %Files = (
    'q3.pdf'    => "%PDF-1.7 the third quarter\n",
    'large.txt' => $large,
    'empty.txt' => '',
    map { $_ => "This is <$_>\n" } 'sp ace.txt', 'sp%20ace.txt', 'per%41cent.txt', 'perAcent.txt',
        'hash#1.txt', 'hash', 'what?.txt', 'what', 'pl+us&and=.txt', q(quo'te"s.txt), 'semi;colon.txt',
        "gr\xc3\xb6\xc3\x9fe.txt", "\xe2\x82\xac 100 \xe2\x80\x93 \xe6\x97\xa5\xe6\x9c\xac.txt", '100%.txt', 'sub/in sub.txt',
);
our @Names = grep { !/^(?:q3|large|empty)/ } sort keys %Files;

my $root = dirname(dirname(dirname(abs_path(__FILE__))));
my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
my ($module) = grep { m{/(?:lib)?ngx_http_download_module\.so$} } split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
my $place = Standin::Place::folder();
my ($owner, $made, @started) = ($$, 0);

defined $module or die "TEST_NGINX_LOAD_MODULES does not name ngx_http_download_module.so\n";

# --- a configuration, an app, nginx -------------------------------------------------

# A folder with the files, and the configuration (a file's name, or a reference to the text) with
# ports and folders of its own. $what names
# the site in the tests' names; $change may change the configuration's text, in $_.
sub new {
    my ($class, $conf, $what, $change) = @_;
    my $dir = "$place/" . ++$made;
    my $self = bless { dir => $dir, srv => "$dir/srv", what => $what // basename($conf, '.conf') }, $class;
    $self->put("srv/media/$_", $Files{$_}) for keys %Files;
    $self->put('srv/secret.txt', "not for anybody\n");
    make_path(map { "$dir/srv/$_" } 'run', 'archive');
    return $self->configure($conf, $change);
}

# Another nginx before the same app and files; as new(), but $change may take out the module, too.
sub beside {
    my ($self, $conf, $what, $change) = @_;
    my $other = bless { %$self, dir => "$place/" . ++$made, what => $what, nginx => undef, processes => [] }, ref $self;
    return $other->configure($conf, $change, 1);
}

sub configure {
    my ($self, $conf, $change, $bare) = @_;
    my $dir = $self->{dir};
    my $name = ref $conf ? 'nginx.conf' : basename($conf);
    $self->{conf} = "$dir/$name";
    make_path(map { "$dir/$_" } 'logs', 'tmp');
    $self->put('mime.types', "types {\n    application/pdf pdf;\n    text/plain txt;\n}\n");

    my $text = $self->text($conf);
    if ($change) { local $_ = $text; $change->(); $text = $_ }
    my $port = $self->{port} = free_port();
    $text =~ s{^load_module modules/ngx_http_download_module\.so;}{load_module $module;}m or $bare or die "$conf: no module";
    $text =~ s{\blisten 127\.0\.0\.1:8080;}{listen 127.0.0.1:$port;}g or die "$conf: no listen";
    for ([app_port => 8000], [remote_port => 8001]) {
        my ($key, $there) = @$_;
        next unless $text =~ /\b127\.0\.0\.1:$there\b/;
        $self->{$key} //= free_port();
        $text =~ s{\b127\.0\.0\.1:$there\b}{127.0.0.1:$self->{$key}}g;
    }
    $text =~ s{(?<=[ =:])/srv/app/public/}{$root/t/apps/symfony/}g;
    $text =~ s{(?<=[ =:])/srv/}{$self->{srv}/}g;
    my $own = join '', ("user root;\n") x ($> == 0), "error_log $dir/logs/error.log info;\n", "pid $dir/nginx.pid;\n";
    my $http = join '', "access_log $dir/logs/access.log;\n", map { "${_}_temp_path $dir/tmp/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi);
    $text =~ s/^http \{\n/http {\n$http/m or die "$conf: no http";
    $self->put($name, $own . $text);
    return $self;
}

# The configuration as it stands.
sub text { ref $_[1] ? ${$_[1]} : slurp("$root/nginx-conf/$_[1]") }

sub dir { $_[0]{dir} }
sub media { "$_[0]{srv}/media" }

# Starts a command with MEDIA_ROOT and what else there is in its environment; waits for it to
# listen, on a socket or on the app's port.
sub start {
    my ($self, $env, @command) = @_;
    my ($socket) = grep { m{^/.*\.sock$} } @command;
    $self->background(sub {
        chdir $self->{dir};
        @ENV{keys %$env} = values %$env;
        delete @ENV{grep { /_proxy$/i } keys %ENV};
        @ENV{qw(MEDIA_ROOT PORT PYTHONDONTWRITEBYTECODE PYTHONPATH)} = ($self->media, $self->{app_port} // '', 1, app('shared'));
        exec bound(@command) or die "$command[0]: $!";
    });
    my $there = $socket ? sub { IO::Socket::UNIX->new(Peer => $socket) }
        : sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{app_port}) };
    ok(wait_for(\&$there, 30), "$self->{what}: the app listens") or $self->show('output');
}

# Another server's files, for apps that hand out URLs. They tell of the path that was asked for.
sub start_remote {
    my $self = shift;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $self->{remote_port}, Listen => 16, ReuseAddr => 1)
        or die "the remote: $!";
    $self->background(sub {
        while (my $s = $listener->accept) {
            my $head = '';
            while ($head !~ /\r\n\r\n/) { sysread $s, $head, 65536, length $head or last }
            my ($method, $uri) = $head =~ /^(\w+) (\S+)/ or next;
            my $body = "of the remote: $uri\n";
            print $s "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ", length $body, "\r\nConnection: close\r\n",
                "Content-Disposition: inline; filename=theirs\r\nSet-Cookie: theirs=1\r\nX-Of-The-Remote: kept\r\n\r\n",
                $method eq 'HEAD' ? '' : $body;
            close $s;
        }
    });
}

# php-fpm, or undef.
sub php_fpm { return (glob '/usr/sbin/php-fpm*')[0] }

# Starts it at srv/run/php-fpm.sock with an environment, and lines of configuration besides.
sub start_php {
    my ($self, $env, @settings) = @_;
    my $socket = "$self->{srv}/run/php-fpm.sock";
    $self->put('fpm.conf', <<"END" . join '', map { "$_\n" } @settings);
[global]
error_log = /dev/stderr
[www]
listen = $socket
listen.mode = 0666
user = @{[scalar getpwuid $>]}
pm = static
pm.max_children = 2
clear_env = no
php_flag[display_errors] = off
END
    # the command names the socket so that it is waited for
    $self->start($env, 'sh', '-c', 'exec "$@"', $socket, php_fpm(), $> ? () : '-R', '-F', '-y', "$self->{dir}/fpm.conf");
}

sub start_nginx {
    my $self = shift;
    my @command = ($nginx, '-e', "$self->{dir}/logs/error.log", '-p', $self->{dir}, '-c', $self->{conf});
    my $said = do { open my $out, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command, '-t'; local $/; <$out> };
    ok($said =~ /test is successful/, "$self->{what}: nginx -t") or diag($said);
    $self->{nginx} = fork_off(sub { $self->quiet; exec bound(@command, '-g', 'daemon off;') or die "$nginx: $!" });
    push @started, $self->{nginx};
    ok(wait_for(sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}) }, 10), "$self->{what}: nginx runs")
        or $self->show('error.log');
}

# Runs code in a process of its own, for as long as the site is there.
sub background {
    my ($self, $code) = @_;
    push @{$self->{processes}}, fork_off(sub { $self->quiet; alarm $Longest; $code->() });
    push @started, $self->{processes}[-1];
}

# The command, to end when this process does, whatever ends it.
sub bound { ('setpriv', '--pdeathsig', 'TERM', '--', @_) }

sub quiet {
    my $self = shift;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', "$self->{dir}/logs/output";
    open STDERR, '>&', \*STDOUT;
}

# Ends nginx and the app. What nginx logged is as it should be, and no worker went down.
sub end {
    my $self = shift;
    if (my $pid = delete $self->{nginx}) {
        kill 'QUIT', $pid;
        my $status = eval { local $SIG{ALRM} = sub { die "late\n" }; alarm 10; end_of($pid) };
        alarm 0;
        is($status, 0, "$self->{what}: nginx ends well");
        stop($pid);
    }
    stop($_) for @{delete $self->{processes} // []};
    my @bad = grep { /\[(?:alert|crit|emerg)\]|panic|exited on signal/ } split /^/, $self->log;
    is(join('', @bad), '', "$self->{what}: nothing bad in error.log");
}

sub log { slurp("$_[0]{dir}/logs/error.log") }

sub show {
    my ($self, $log) = @_;
    diag(join '', grep { defined } (split /^/, slurp("$self->{dir}/logs/$log"))[-30 .. -1]);
}

sub put {
    my ($self, $name, $bytes) = @_;
    my $path = "$self->{dir}/$name";
    make_path(dirname($path));
    open my $f, '>:raw', $path or die "$path: $!";
    print $f $bytes;
    close $f;
}

# --- requests ---------------------------------------------------------------------------

# What nginx answers. Whatever it is: no header tells of files, none is there twice.
sub ask {
    my ($self, $target, @lines) = @_;
    my $r = $self->ask_port($self->{port}, $target, @lines);
    my %times;
    $times{lc $_->[0]}++ for @{$r->{headers}};
    my @bad = grep { /^x-(?:accel|sendfile|lighttpd)/ || ($times{$_} > 1 && !/^(?:set-cookie|link)$/) } sort keys %times;
    fail("$self->{what}: $target: not a header to leak, or to repeat: @bad") if @bad;
    fail("$self->{what}: $target: broken off") unless $r->{whole};
    return $r;
}

# What the app itself answers: the head only.
sub ask_app {
    my ($self, $target, @lines) = @_;
    return $self->ask_port($self->{app_port}, $target, @lines);
}

sub ask_port {
    my ($self, $port, $target, @lines) = @_;
    my $s = dial(port => $port);
    send_to($s, GET($target, @lines));
    my $r = response($s, head => $port != $self->{port} || scalar($target =~ /^HEAD /));
    close $s;
    return $r;
}

sub header {
    my ($r, $name) = @_;
    return join '|', map { $_->[1] } grep { lc $_->[0] eq lc $name } @{$r->{headers}};
}

sub encoded { $_[0] =~ s{([^A-Za-z0-9._~/-])}{sprintf '%%%02X', ord $1}egr }

# --- what is to be seen ------------------------------------------------------------------

sub is_file {
    my ($self, $r, $bytes, $what) = @_;
    is($r->{status}, 200, "$self->{what}: $what: 200") or do { diag($r->{head}); $self->show('error.log') };
    ok($r->{body} eq $bytes, "$self->{what}: $what: its bytes") or diag(length $r->{body}, ' bytes: ', substr $r->{body}, 0, 200);
}

sub is_status {
    my ($self, $r, $status, $body, $what) = @_;
    is($r->{status}, $status, "$self->{what}: $what: $status") or do { diag($r->{head}); $self->show('error.log') };
    like($r->{body}, $body, "$self->{what}: $what: its page");
}

# Has the client every header of the app's, as it is and as often, and a Content-Type of its? Not
# those between app and nginx, and those that tell of a body.
sub keeps_headers {
    my ($self, $r, $app, $what) = @_;
    my %own = map { $_ => 1 } qw(content-length content-range content-encoding accept-ranges date server connection keep-alive transfer-encoding);
    my %seen;
    my @names = grep { !$own{$_} && !/^x-(?:accel|sendfile|lighttpd)/ && !$seen{$_}++ } map { lc $_->[0] } @{$app->{headers}};
    # the second may have changed between the two
    my $list = sub { my $of = shift; join "\n", map { "$_: " . (/^expires$/ ? !!header($of, $_) : header($of, $_)) } @names };
    cmp_ok(scalar @names, '>=', 3, "$self->{what}: $what: the app sends headers");
    is($list->($r), $list->($app), "$self->{what}: $what: the app's headers");
}

# What all apps have in common, below $prefix. %how: names => those it can serve, all of them if
# not said; headers => the app's response, if it is not to be asked by HTTP.
sub serves {
    my ($self, $prefix, %how) = @_;
    my $get = sub { $self->ask("$prefix/$_[0]", @Alice, @_[1 .. $#_]) };
    my $pdf = $Files{'q3.pdf'};
    my $app = $how{headers} // $self->ask_app("$prefix/q3.pdf", @Alice);

    my $r = $get->('q3.pdf');
    $self->is_file($r, $pdf, "$prefix: a file");
    $self->keeps_headers($r, $app, $prefix);
    is(header($r, 'Content-Length'), length $pdf, "$self->{what}: $prefix: its length");
    is(header($r, 'Accept-Ranges'), 'bytes', "$self->{what}: $prefix: ranges are offered");
    my ($etag, $modified) = map { header($r, $_) } qw(ETag Last-Modified);

    $r = $self->ask("HEAD $prefix/q3.pdf", @Alice);
    is("$r->{status} " . header($r, 'Content-Length'), '200 ' . length $pdf, "$self->{what}: $prefix: HEAD");
    is(header($r, 'ETag'), $etag, "$self->{what}: $prefix: HEAD: the same version") unless $how{head_by_app};

    $r = $get->('q3.pdf', 'Range: bytes=5-7');
    is(join(' ', $r->{status}, header($r, 'Content-Range'), $r->{body}), "206 bytes 5-7/" . length($pdf) . ' 1.7',
        "$self->{what}: $prefix: a range");
    $r = $get->('large.txt', 'Range: bytes=-100000');
    ok($r->{status} == 206 && $r->{body} eq substr($large, -100_000), "$self->{what}: $prefix: the end of a large file");
    $r = $get->('q3.pdf', 'Range: bytes=100-');
    is("$r->{status} " . header($r, 'Content-Range'), '416 bytes */' . length $pdf, "$self->{what}: $prefix: a range beyond the end");
    if (!$how{one_range}) {
        $r = $get->('q3.pdf', 'Range: bytes=0-3,5-7');
        like("$r->{status} $r->{body}", qr{^206 .*\r\n\r\n%PDF\r\n.*\r\n\r\n1\.7\r\n}s, "$self->{what}: $prefix: two ranges");
    }
    $r = $get->('q3.pdf', 'Range: bytes=5-7', 'If-Range: "other"');
    is($r->{status}, 200, "$self->{what}: $prefix: If-Range, another version");

    for (["If-None-Match: $etag", 304, ''], ['If-None-Match: "other"', 200, $pdf],
        $modified ne '' ? (["If-Modified-Since: $modified", 304, '']) : ()) {
        $r = $get->('q3.pdf', $_->[0]);
        is("$r->{status} $r->{body}", "$_->[1] $_->[2]", "$self->{what}: $prefix: $_->[0]");
    }

    ok($get->('large.txt')->{body} eq $large, "$self->{what}: $prefix: a large file");
    $self->is_file($get->('empty.txt'), '', "$prefix: an empty file");
    for my $name (@{$how{names} // \@Names}) {
        $self->is_file($get->(encoded($name)), $Files{$name}, "$prefix/$name");
    }

    is($get->('missing.txt')->{status}, 404, "$self->{what}: $prefix: a file that is not there");
    $self->is_status($self->ask("$prefix/q3.pdf"), 403, qr/^not for you$/, "$prefix: a stranger");
    unlike($get->('..%2fsecret.txt')->{body}, qr/not for anybody/, "$self->{what}: $prefix: outside");
}

# Is a client that says where files are not heard? $told is what nginx.conf tells the app.
sub hears_nginx_only {
    my ($self, $told) = @_;
    my $r = $self->ask('/headers', @Alice, 'X-Sendfile-Type: X-Client', 'X-Accel-Mapping: /=/client/', 'X-Accel-Redirect: /client',
        'X-Sendfile: /client', 'X-Of-The-Client: kept');
    my $headers = eval { decode_json($r->{body}) } // {};
    my %heard = map { lc $_ => $headers->{$_} } keys %$headers;
    is($heard{'x-of-the-client'}, 'kept', "$self->{what}: the app hears the client") or diag($r->{head}, $r->{body});
    my %accel = map { $_ => $heard{$_} } grep { /^x-(?:accel|sendfile)/ } keys %heard;
    is_deeply(\%accel, $told // {}, "$self->{what}: but nginx only where files are sent from");
}

# --- what is installed ---------------------------------------------------------------------

# A path below target/apps, as scripts/apps makes it; without it the file is skipped.
sub installed {
    my $path = "$root/target/apps/$_[0]";
    -e $path or plan(skip_all => "no $path: run scripts/apps");
    return $path;
}

sub command {
    for my $name (@_) {
        for (split /:/, "$ENV{PATH}:/usr/sbin:/sbin") { return "$_/$name" if -x "$_/$name" && -f _ }
    }
    plan(skip_all => "@_: not installed: run scripts/apps");
}

sub app { "$root/t/apps/$_[0]" }

sub free_port { Standin::Place::free_port() // BAIL_OUT('no free port') }

# so that END runs
BEGIN { $SIG{$_} = sub { exit 130 } for qw(INT TERM HUP PIPE) }

END {
    my $status = $?;
    if (defined $owner && $$ == $owner) {
        stop($_) for @started;
        my $kept = Standin::Place::leave($status || !Test::More->builder->is_passing);
        diag("servroot kept: $kept") if defined $kept;
    }
    $? = $status;
}

1;
