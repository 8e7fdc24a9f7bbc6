package Test::Nginx::Socket;

# A small stand-in for openresty's Test::Nginx::Socket: the data sections a
# download module's tests use, on nothing but Test::Base and perl's own modules.
# The same .t files run on either, with the same number of tests.
#
# What differs: without TEST_NGINX_SERVER_PORT and TEST_NGINX_SERVROOT each process
# takes a free loopback port and a servroot of its own, so that files run in
# parallel; and a block fails, with one test more, when its error.log has an
# [alert], [crit] or [emerg] that its error_log section does not speak of, when
# nginx does not end well, or when a sanitizer or valgrind has something to report.
# TEST_NGINX_SLOW makes all waiting so many times as long, for an nginx that these slow down.
#
# Every sub has a prototype, "()" at least: Test::Base -Base puts a "my $self = shift"
# into those without.

use strict;
use warnings;
use Test::Base -Base;
use Digest::MD5 ();
use Digest::SHA ();
use File::Path qw(make_path remove_tree);
use IO::Select;
use IO::Socket::INET;
use List::Util qw(shuffle);
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);
use Standin::Place;

our @EXPORT = qw(plan run_tests repeat_each no_shuffle no_long_string no_root_location
    workers master_on master_off worker_connections log_level server_name server_root html_dir
    server_port server_port_for_client timeout env_to_nginx add_block_preprocessor
    add_cleanup_handler add_response_body_check bail_out check_accum_error_log);

sub free_port ($);

our ($Workers, $Master, $Connections, $RepeatEach, $Shuffle, $Root) = (1, 'off', 64, 1, !$ENV{TEST_NGINX_NO_SHUFFLE}, 1);
our $LogLevel = $ENV{TEST_NGINX_LOG_LEVEL} || 'debug';
our $Nginx    = $ENV{TEST_NGINX_BINARY} || 'nginx';
our $Listen   = $ENV{TEST_NGINX_SERVER_PORT} || $ENV{TEST_NGINX_PORT}
    || '127.0.0.1:' . ($ENV{TEST_NGINX_CLIENT_PORT} || free_port('the server'));
our $Port     = $ENV{TEST_NGINX_CLIENT_PORT} || ($Listen =~ /(\d+)$/)[0];
our $Timeout  = $ENV{TEST_NGINX_TIMEOUT} || 3;
our $Slow     = $ENV{TEST_NGINX_SLOW} || 1;
our $ServRoot = $ENV{TEST_NGINX_SERVROOT} || Standin::Place::folder();
our $Name     = 'localhost';
our $Verbose  = $ENV{TEST_NGINX_VERBOSE};
our $Accum    = $ENV{TEST_NGINX_CHECK_ACCUM_ERR_LOG};
$ENV{TEST_NGINX_SERVER_ROOT} = $ServRoot;
$ENV{TEST_NGINX_SERVER_PORT} //= $Listen;
$ENV{TEST_NGINX_CLIENT_PORT} //= $Port;
our $StandIn = 1;       # how a .t file tells it from the real one
our (@Env, @Prep, @Cleanup, @BodyChecks, $Pid, $Config, $LogPos, $Rand, $Owner);
$Owner = $$;

# so that END runs: it ends nginx and tidies up
$SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);

sub repeat_each (@) { @_ ? ($RepeatEach = shift) : $RepeatEach }
sub no_shuffle () { $Shuffle = 0 }
sub no_long_string () { }
sub no_root_location () { $Root = 0 }
sub workers (@) { $Workers = shift if @_; $Workers }
sub worker_connections (@) { $Connections = shift if @_; $Connections }
sub master_on () { $Master = 'on' }
sub master_off () { $Master = 'off' }
sub log_level ($) { $LogLevel = shift }
sub server_name (@) { $Name = shift if @_; $Name }
sub server_root () { $ServRoot }
sub html_dir () { "$ServRoot/html" }
sub server_port (@) { @_ ? ($Listen = shift) : $Listen }
sub server_port_for_client (@) { @_ ? ($Port = shift) : $Port }
sub timeout (@) { @_ ? ($Timeout = shift) : $Timeout }
sub env_to_nginx (@) { push @Env, @_ }
sub add_block_preprocessor (&) { push @Prep, shift }
sub add_cleanup_handler ($) { unshift @Cleanup, shift }
sub add_response_body_check ($) { push @BodyChecks, shift }
sub check_accum_error_log () { $Accum = 1 }
sub bail_out (@) { stop_nginx(); Test::More::BAIL_OUT(join '', @_) }

# --- text ------------------------------------------------------------------

sub free_port ($) { Standin::Place::free_port() // bail_out("no free port for $_[0]") }

sub expand ($) {
    my $t = shift;
    $t =~ s{\$(TEST_NGINX_[_A-Z0-9]+)}{
        my $n = $1;
        $n =~ /^TEST_NGINX_RAND_PORT_\d+$/ ? ($Rand->{$n} //= free_port($n))
            : $ENV{$n} // bail_out("No environment $n defined.")
    }ge if defined $t;
    return $t;
}

sub put ($$) {
    my ($path, $data) = @_;
    my $dir = $path =~ m{(.*)/} ? $1 : '.';
    -d $dir or make_path($dir);
    open my $f, '>:raw', $path or bail_out("$path: $!");
    print $f $data;
    close $f;
}

sub user_files ($) {
    my $files = shift // return;
    if (!ref $files) {
        my @list;
        for (split /^/, $files) {
            if (/^>>> (\S+)(?:\s+(.+))?/) { push @list, [$1, '', $2] }
            elsif (@list)                 { $list[-1][1] .= $_ }
        }
        $files = \@list;
    }
    for (@$files) {
        my ($name, $data, $date) = @$_;
        my $path = $name =~ m{^/} ? $name : html_dir() . "/$name";
        put($path, expand($data // ''));
        if ($date) { local $ENV{TZ} = 'GMT'; system('touch', '-t', $date, $path) == 0 or bail_out("touch $date") }
    }
}

# --- nginx -----------------------------------------------------------------

sub write_config ($$) {
    my ($b, $config) = @_;
    my $load = join '', map { "load_module $_;\n" } split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
    my ($main, $http, $post) = map { expand($b->$_) // '' } qw(main_config http_config post_main_config);
    my $level = $b->log_level // $LogLevel;
    chomp $level;
    my $name = $b->server_name // $Name;
    chomp $name;
    my $user = $ENV{TEST_NGINX_WORKER_USER} // ($> == 0 ? 'root' : '');
    my $env  = join '', map { "env $_;\n" } @Env;
    my $temp = join '', map { $http =~ /\b${_}_temp_path\b/ ? '' : "${_}_temp_path $ServRoot/$_;\n" }
        qw(client_body proxy fastcgi uwsgi scgi);
    my $root = $Root ? "location / { root $ServRoot/html; index index.html index.htm; }\n" : '';
    put("$ServRoot/conf/nginx.conf", join '', $load,
        "worker_processes $Workers;\nmaster_process $Master;\ndaemon off;\n",
        "error_log $ServRoot/logs/error.log $level;\npid $ServRoot/logs/nginx.pid;\n",
        $user ? "user $user;\n" : '', "env ASAN_OPTIONS;\nenv LD_PRELOAD;\n", $env, "$main\nhttp {\n",
        "access_log $ServRoot/logs/access.log;\ndefault_type text/plain;\nkeepalive_timeout 68;\n$temp",
        "$http\nserver {\nlisten $Listen;\nserver_name '$name';\nclient_max_body_size 30M;\n",
        "# test\n$config\n$root}\n}\n$post\nevents { accept_mutex off; worker_connections $Connections; }\n");
}

sub children ($) {
    my $pid = shift;
    open my $f, '<', "/proc/$pid/task/$pid/children" or return;
    return split ' ', <$f> // '';
}

# A master listens before it has any.
sub has_workers () { $Master ne 'on' || !-e "/proc/$Pid/task/$Pid/children" || children($Pid) }

sub start_nginx ($$) {
    my ($b, $config) = @_;
    stop_nginx();
    if (-d $ServRoot) {
        opendir my $d, $ServRoot or bail_out("$ServRoot: $!");
        remove_tree(map { "$ServRoot/$_" }
            grep { /^(?:conf|html|logs|client_body|proxy|fastcgi|uwsgi|scgi|cache|.*_cache)$/ } readdir $d);
    }
    make_path("$ServRoot/logs", "$ServRoot/html", "$ServRoot/conf");
    put("$ServRoot/html/index.html", '<html><head><title>It works!</title></head><body>It works!</body></html>');
    user_files($b->user_files);
    write_config($b, $config);
    my @cmd = ($Nginx, '-e', "$ServRoot/logs/error.log", '-p', "$ServRoot/", '-c', "$ServRoot/conf/nginx.conf");
    if (my $how = $ENV{TEST_NGINX_USE_VALGRIND}) {
        $how = '-q --leak-check=full --num-callers=100' unless $how =~ /\D/;
        unshift @cmd, 'valgrind', split(' ', $how), "--log-file=$ServRoot/logs/report.%p";
    }
    # our own child, daemon off: its end is seen at once, whoever pid 1 is
    defined($Pid = fork) or bail_out("fork: $!");
    if (!$Pid) {
        $ENV{$_} = join ':', grep { length } $ENV{$_} // '', "log_path=$ServRoot/logs/report" for qw(ASAN_OPTIONS UBSAN_OPTIONS);
        # an nginx that refuses its configuration leaves its first pool to the system
        $ENV{ASAN_OPTIONS} .= ':detect_leaks=' . (defined $b->must_die ? 0 : 1);
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null' if defined $b->suppress_stderr;
        exec @cmd or POSIX::_exit(127);
    }
    for (1 .. 400 * $Slow) {
        if (waitpid($Pid, WNOHANG) == $Pid) { undef $Pid; return $? }
        last if defined $b->must_die ? 0
            : -s "$ServRoot/logs/nginx.pid" && IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $Port) && has_workers();
        sleep 0.01;
    }
    return undef;       # runs
}

# Returns what was wrong with the end, or ''.
sub stop_nginx () {
    return '' unless $Pid && $$ == $Owner;
    my $pid = $Pid;
    undef $Pid;
    return 'nginx ended before it was told to, ' . how_ended($?) if waitpid($pid, WNOHANG) == $pid;
    my ($signal, $patience) = ($ENV{TEST_NGINX_FAST_SHUTDOWN} ? 'TERM' : 'QUIT', $Timeout * $Slow);
    # twice: without a master, nginx sleeps on if the signal comes just before it waits for events
    for (1, 2) {
        kill $signal, $pid;
        return $? ? 'nginx ended badly, ' . how_ended($?) : '' if ends_within($pid, $patience / 2);
    }
    # a fast shutdown next: a master that is killed leaves its workers behind
    kill 'TERM', $pid;
    return "nginx did not end within $patience s" if ends_within($pid, 3 * $Slow);
    my @workers = children($pid);
    kill 'KILL', $pid, @workers;
    waitpid $pid, 0;
    return 'nginx did not end and was killed';
}

sub ends_within ($$) {
    my ($pid, $seconds) = @_;
    my $end = time + $seconds;
    while (waitpid($pid, WNOHANG) != $pid) {
        return 0 if time > $end;
        sleep 0.005;
    }
    return 1;
}

sub how_ended ($) { my $s = shift; $s & 127 ? 'by signal ' . ($s & 127) : 'with status ' . ($s >> 8) }

# $? has a die or a bail-out, is_passing what has failed so far
END {
    my $status = $?;
    stop_nginx();
    if ($$ == $Owner) {
        $_->() for @Cleanup;
        my $kept = Standin::Place::leave($status || !Test::More->builder->is_passing);
        Test::More::diag("servroot kept: $kept") if defined $kept;
    }
    $? = $status;
}

sub log_lines ($) {
    my $kind = shift;
    open my $f, '<', "$ServRoot/logs/$kind.log" or return [];
    seek $f, $LogPos, 0 if $kind eq 'error' && $LogPos && !$Accum;
    my @l = <$f>;
    return \@l;
}

# --- requests ----------------------------------------------------------------

sub build ($$$);
sub build ($$$) {
    my ($req, $more, $conn) = @_;
    if (ref $req) {          # packets, each a string or {value, delay_before}
        my @p = map { ref $_ ? {%$_} : { value => $_ } } @$req;
        my $all = build(join('', map { $_->{value} } @p), $more, $conn);
        my $orig = join '', map { $_->{value} } @p;
        return $all if @p < 2;
        # keep the last cuts where they were: all but the first piece go as they are
        my $tail = substr $all, 0, length($all);
        my $rest = join '', map { $_->{value} } @p[1 .. $#p];
        return [{ value => substr($tail, 0, length($tail) - length $rest) }, @p[1 .. $#p]] if substr($tail, -length $rest) eq $rest;
        return $all;
    }
    $req =~ s/^(?:\s*\#[^\n]*\n|\s+)+//;
    my ($line, $body) = split /\n/, $req, 2;
    my ($meth, $url, $ver) = split ' ', $line;
    $url //= '/';
    $ver //= 'HTTP/1.1';
    my $h = join '', map { my ($k, $v) = split /:\s*/, $_, 2; "$k: " . ($v // '') . "\r\n" }
        grep { !/^\s*#/ } split /\n+/, $more // '';
    $body //= '';
    if ($body ne '' && $h !~ /^(?:Content-Length|Transfer-Encoding):/im) {
        $body =~ s/^\s+|\s+$//g;
        $h .= 'Content-Length: ' . length($body) . "\r\n";
    }
    $h = "Connection: $conn\r\n$h" unless $h =~ /^Connection:/im;
    $h = "Host: $Name\r\n$h" unless $h =~ /^Host:/im;
    return "$meth $url $ver\r\n$h\r\n$body";
}

sub requests ($) {
    my $b = shift;
    if (defined(my $raw = $b->raw_request)) {
        return [ref $raw ? [map { { value => $_ } } @$raw] : $raw];
    }
    my $more = $b->more_headers;
    my $h = sub { ref $more ? $more->[$_[0]] : $more };
    if (my $p = $b->pipelined_requests) {
        return [join '', map { build(expand($p->[$_]), $h->($_), $_ == $#$p ? 'close' : 'keep-alive') } 0 .. $#$p];
    }
    my $r = $b->request // bail_out($b->name . ' - no request');
    return [build($r, $h->(0), 'close')] unless ref $r;
    return [map { build($r->[$_], $h->($_), 'close') } 0 .. $#$r];
}

sub talk ($$) {
    my ($b, $req) = @_;
    my $t = $b->timeout // $Timeout;
    $t = $1 / ($2 ? 1000 : 1) if $t =~ /^\s*([\d.]+)(ms)?/;
    $t *= $Slow;
    my $s = IO::Socket::INET->new(PeerAddr => $b->server_addr_for_client // '127.0.0.1', PeerPort => $Port, Timeout => $t)
        or do { Test::More::fail($b->name . " - cannot connect: $!"); return '' };
    local $SIG{PIPE} = 'IGNORE';
    for my $p (ref $req ? @$req : { value => $req }) {
        sleep($p->{delay_before} // $b->raw_request_middle_delay // 0);
        print $s $p->{value};
        $s->flush;
    }
    shutdown $s, ($b->shutdown =~ /^\d/ ? $b->shutdown : 1) if defined $b->shutdown;
    my ($out, $sel) = ('', IO::Select->new($s));
    while (1) {
        if (!$sel->can_read($t)) {
            Test::More::fail('ERROR: client socket timed out - ' . $b->name) unless defined $b->abort;
            last;
        }
        my $n = sysread $s, my $buf, 65536;
        last unless $n;
        $out .= $buf;
    }
    close $s;
    return $out;
}

# one response off the front of $raw: {code, raw, head => {name => [values]}, body}, rest
sub parse ($$$) {
    my ($name, $raw, $head) = @_;
    my $r = { code => '', raw => '', head => {}, body => '' };
    return ($r, '') unless $raw =~ s/^(HTTP\/\S+ (\d+)[^\r\n]*\r\n(?:.*?\r\n)?)\r\n//s;
    ($r->{raw}, $r->{code}) = ($1, $2);
    for (split /\r\n/, $r->{raw}) { push @{ $r->{head}{ lc $1 } }, $2 if /^([^:\s]+):\s*(.*?)\s*$/ }
    return ($r, $raw) if $head || $r->{code} =~ /^(?:1..|204|304)$/;
    if (lc(($r->{head}{'transfer-encoding'} // [])->[0] // '') eq 'chunked') {
        while ($raw =~ s/^[ \t]*([0-9A-Fa-f]+)[^\r\n]*\r\n//) {
            my $n = hex $1;
            if ($n == 0) { $raw =~ s/^(?:[^\r\n]+\r\n)*\r\n// or last; return ($r, $raw) }
            length $raw >= $n + 2 or last;
            $r->{body} .= substr $raw, 0, $n, '';
            $raw =~ s/^\r\n// or last;
        }
        Test::More::fail("$name - invalid chunked data received");
        return ($r, '');
    }
    my $n = ($r->{head}{'content-length'} // [])->[0];
    if (!defined $n) { ($r->{body}, $raw) = ($raw, '') }
    else {
        warn "WARNING: $name - response body truncated: $n expected, but got ", length $raw, "\n" if length $raw < $n;
        $r->{body} = substr $raw, 0, $n, '';
    }
    return ($r, $raw);
}

# --- checks --------------------------------------------------------------------

sub nth ($$$$) {
    my ($name, $v, $i, $many) = @_;
    return ref $v eq 'ARRAY' ? $v->[$i] : $v if !$many || ref $v eq 'ARRAY';
    bail_out("$name - You asked for many requests, the expected results should be arrays as well.");
}

sub patterns ($) {
    my $p = shift;
    return ref $p eq 'ARRAY' ? grep { defined } @$p : ref $p ? $p : grep { length } split /\n+/, $p;
}

sub match ($$) { ref $_[1] ? $_[0] =~ $_[1] : index($_[0], $_[1]) >= 0 }

sub check_response ($$$$) {
    my ($b, $r, $i, $many) = @_;
    my $name = $b->name;
    my $get = sub { nth($name, $_[0], $i, $many) };   # NB: a block's accessor gives a list in list context
    if (defined $b->error_code_like) { Test::More::like($r->{code}, qr/@{[$get->(scalar $b->error_code_like)]}/sm, "$name - status code ok") }
    else {
        my $want = $get->($b->error_code // return_200($b, $many)) // 200;
        $want =~ s/\s+$//;
        Test::More::is($r->{code}, $want, "$name - status code ok");
    }
    for ([raw_response_headers_like => \&Test::More::like], [raw_response_headers_unlike => \&Test::More::unlike]) {
        my ($s, $f) = @$_;
        next unless defined $b->$s;
        my $p = $get->(scalar $b->$s);
        $p =~ s/\s+$// unless ref $p;
        $f->($r->{raw}, qr/$p/s, "$name - $s");
    }
    my $kind = defined $b->response_headers ? 'response_headers' : defined $b->response_headers_like ? 'response_headers_like' : '';
    for (split /\n/, $kind ? $get->(scalar $b->$kind) // '' : '') {
        next unless /\S/;
        if (/^\s*!\s*(\S+)/) { Test::More::ok(!$r->{head}{ lc $1 }, "$name - header $1 not present"); next }
        my ($k, $v) = /^\s*([^:]+?)\s*:\s*(.*?)\s*$/ or bail_out("$name - bad header line: $_");
        my $got = join ', ', @{ $r->{head}{ lc $k } || [''] };
        $kind =~ /like/ ? Test::More::like($got, qr/^$v$/, "$name - header $k like ok") : Test::More::is($got, $v, "$name - header $k ok");
    }
    if (defined(my $f = $b->response_body_filters)) {
        $f = ref $f eq 'ARRAY' ? (ref $f->[0] eq 'ARRAY' ? $f->[$i] : $f) : ref $f ? [$f] : [split ' ', $f];
        my %by = (md5_hex => \&Digest::MD5::md5_hex, sha1_hex => \&Digest::SHA::sha1_hex, length => sub { length $_[0] },
            uc => sub { uc $_[0] }, lc => sub { lc $_[0] }, ucfirst => sub { ucfirst $_[0] }, lcfirst => sub { lcfirst $_[0] });
        for (@$f) { my $c = ref $_ ? $_ : $by{$_} // bail_out("$name - unknown filter $_"); $r->{body} = $c->($r->{body}) }
    }
    if (defined $b->response_body) {
        my $want = $get->(scalar $b->response_body);
        if (ref $want) { Test::More::like($r->{body}, $want, "$name - response_body - like") }
        else {
            $want = expand($want);
            my $same = $r->{body} eq ($want // '');
            Test::More::ok($same, "$name - response_body - response is expected (req $i)");
            Test::More::diag(sprintf "got %d bytes: %.300s\nexpected %d: %.300s", length $r->{body}, $r->{body}, length($want // ''), $want // '') unless $same;
        }
    }
    elsif (defined $b->response_body_like) { Test::More::like($r->{body}, qr/@{[chomped($get->(scalar $b->response_body_like))]}/s, "$name - response_body_like") }
    elsif (defined $b->response_body_unlike) { Test::More::unlike($r->{body}, qr/@{[chomped($get->(scalar $b->response_body_unlike))]}/s, "$name - response_body_unlike") }
    $_->($b, $r->{body}, $i, 0, 0) for @BodyChecks;
}

sub return_200 ($$) { my ($b, $many) = @_; $many ? [(200) x 1000] : 200 }
sub chomped ($) { my $p = shift; $p =~ s/\s+$// unless ref $p; $p }

sub check_logs ($$) {
    my ($b, $again) = @_;
    my $name = $b->name;
    for (['error_log', 'error', 1], ['no_error_log', 'error', 0], ['access_log', 'access', 1], ['no_access_log', 'access', 0]) {
        my ($s, $kind, $want) = @$_;
        next unless defined $b->$s;
        my @l = @{ log_lines($kind) };
        for my $p (patterns($b->$s)) {
            my ($hit) = grep { match($_, $p) } @l;
            my $ok = Test::More::ok($want ? defined $hit : !defined $hit,
                "$name - pattern \"$p\" " . ($want ? 'matches' : 'does not match') . " a line in $kind.log (req $again)");
            Test::More::diag($hit) if !$ok && defined $hit;
        }
    }
    if (defined(my $g = $b->grep_error_log)) {
        $g = $g->[$again] if ref $g eq 'ARRAY';
        $g =~ s/\s+$// unless ref $g;
        my $out = $b->grep_error_log_out;
        $out = $out->[$again] if ref $out eq 'ARRAY';
        my $got = '';
        for my $l (@{ log_lines('error') }) { if (ref $g ? $l =~ /($g)/ : $l =~ /(\Q$g\E)/) { $got .= "$1\n" unless $1 =~ /\n/ } }
        ref $out ? Test::More::like($got, $out, "$name - grep_error_log_out") : Test::More::is($got, expand($out), "$name - grep_error_log_out");
    }
}

# Once a block, after nginx has ended: what it logs at its end counts too. A test
# of its own only where it fails, so that counts are those of the real one.
sub check_end ($$) {
    my ($b, $trouble) = @_;
    my $spoken = join "\n", map { patterns($_) } grep { defined } scalar $b->error_log;
    $spoken .= "\nemerg" if defined $b->must_die;
    local ($LogPos, $Accum) = (0, 0);
    my @bad = grep { m{^\d+/\d\d/\d\d \d\d:\d\d:\d\d \[(alert|crit|emerg)\]} && $spoken !~ /$1/ } @{ log_lines('error') };
    my ($report) = reports();
    return unless @bad || $trouble || defined $report;
    Test::More::fail($b->name . ' - ' . ($trouble || (@bad ? 'no [alert], [crit] or [emerg] in error.log' : 'no report of a sanitizer')));
    Test::More::diag(map { substr $_, 0, 1000 } grep { defined } @bad[0 .. 9]);
    Test::More::diag(substr $report, 0, 4000) if defined $report;
}

# What sanitizers or valgrind have said of any process of nginx.
sub reports () {
    my @said;
    for my $file (grep { -s } glob "$ServRoot/logs/report.*") {
        open my $f, '<', $file or next;
        # valgrind's remarks on itself begin with --
        my @lines = grep { !/^--\d+-- / } <$f>;
        push @said, join '', @lines if @lines;
    }
    return @said;
}

# --- a scripted backend: tcp_listen, tcp_reply, tcp_query ------------------------------

sub tcp_server ($) {
    my $b = shift;
    my $port = expand($b->tcp_listen) // return;
    chomp $port;
    my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 5, ReuseAddr => 1)
        or bail_out($b->name . " - tcp_listen $port: $!");
    defined(my $pid = fork) or bail_out("fork: $!");
    if ($pid) { close $l; return $pid }
    Test::More->builder->no_ending(1);
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    my $c = $l->accept or POSIX::_exit(1);
    my ($q, $len) = ('', $b->tcp_query_len // (defined $b->tcp_query ? length $b->tcp_query : 1));
    while (length $q < $len) { sysread $c, $q, 65536, length $q or last }
    put("$ServRoot/logs/tcp_query", $q);
    sleep($b->tcp_reply_delay // 0);
    my $r = $b->tcp_reply;
    $r = $r->($q) if ref $r eq 'CODE';
    print $c $_ for ref $r ? @$r : $r;
    $c->flush;
    shutdown $c, $b->tcp_shutdown if defined $b->tcp_shutdown;
    sleep 60 if defined $b->tcp_no_close;
    close $c;
    POSIX::_exit(0);
}

sub tcp_check ($$) {
    my ($b, $pid) = @_;
    return unless $pid;
    for (1 .. 100) { last if waitpid($pid, WNOHANG) == $pid; sleep 0.01; kill 'TERM', $pid if $_ > 50 }
    my $q = '';
    if (open my $f, '<:raw', "$ServRoot/logs/tcp_query") { local $/; $q = <$f> // '' }
    Test::More::is($q, $b->tcp_query, $b->name . ' - tcp_query ok') if defined $b->tcp_query;
    Test::More::is(length $q, $b->tcp_query_len, $b->name . ' - TCP query length ok') if defined $b->tcp_query_len;
}

# --- blocks ----------------------------------------------------------------------------

sub version () { my ($a, $b2, $c) = `$Nginx -V 2>&1` =~ m{nginx/(\d+)\.(\d+)\.(\d+)}; sprintf '%d.%03d%03d', $a, $b2, $c }

sub should_skip ($) {
    my $b = shift;
    if (defined(my $s = $b->skip_nginx)) {
        my ($n, $op, @v) = $s =~ /^\s*(\d+)\s*:\s*([<>]=?)\s*(\d+)\.(\d+)\.(\d+)/ or bail_out("bad skip_nginx: $s");
        my ($have, $than) = (version(), sprintf '%d.%03d%03d', @v);
        my %do = ('<' => $have < $than, '>' => $have > $than, '<=' => $have <= $than, '>=' => $have >= $than);
        return ($n, "nginx version $op " . join '.', @v) if $do{$op};
    }
    if (defined(my $s = $b->skip_eval)) {
        my ($n, $code) = $s =~ /^\s*(\d+)\s*:\s*(.*)/s or bail_out("bad skip_eval: $s");
        my $yes = eval $code;
        bail_out("skip_eval: $@") if $@;
        return ($n, 'skip_eval') if $yes;
    }
    return;
}

sub run_block ($) {
    my $b = shift;
    return if defined $b->SKIP;
    my $name = $b->name;
    if (my ($n, $why) = should_skip($b)) {
        SKIP: { Test::More::skip("$name - $why", $n * $RepeatEach) }
        return;
    }
    if (defined(my $t = $b->todo)) {
        my ($n, $why) = $t =~ /^\s*(\d+)\s*:\s*(.*)/s;
        TODO: { Test::More::todo_skip("$name - $why", $n * $RepeatEach) }
        return;
    }
    $Rand   = {};
    $LogPos = 0;
    my $config = expand($b->config // $Config // bail_out("$name - no config"));
    $Config = $b->config if defined $b->config;
    my $died = start_nginx($b, $config);
    if (defined $b->must_die) {
        for (0 .. $RepeatEach - 1) {
            my $want = $b->must_die;
            defined $want && $want =~ /^\s*(\d+)\s*$/ ? Test::More::is(defined $died ? $died >> 8 : -1, $1, "$name - die with the expected exit code")
                : Test::More::ok($died, "$name - die as expected");
            check_logs($b, $_);
        }
        check_end($b, stop_nginx());
        return;
    }
    bail_out("$name - nginx did not start, ", how_ended($died), ":\n", grep { /\[emerg\]/ } @{ log_lines('error') })
        if defined $died;
    if (defined $b->init) { eval $b->init; bail_out("$name - init failed: $@") if $@ }
    for my $again (0 .. $RepeatEach - 1) {
        user_files($b->user_files) if $again;
        my $tcp  = tcp_server($b);
        my $reqs = requests($b);
        my $n    = $b->pipelined_requests ? @{ $b->pipelined_requests } : @$reqs;
        my $many = $n > 1 || ($b->pipelined_requests ? 1 : 0);
        my $i    = 0;
        for my $req (@$reqs) {
            my $raw = talk($b, $req);
            warn "!!! resp: [$raw]\n" if $Verbose;
            my @in = $b->pipelined_requests ? @{ $b->pipelined_requests } : ref $req ? join('', map { $_->{value} } @$req) : $req;
            for my $one (@in) {
                my $r;
                if (!defined $b->ignore_response) {
                    ($r, $raw) = parse($name, $raw, (ref $one ? '' : $one) =~ /^\s*HEAD\s/);
                    check_response($b, $r, $i, $many);
                }
                sleep($b->wait) if $b->wait;
                check_logs($b, $again);
                $i++;
            }
            warn "WARNING: $name - unexpected extra bytes after the response: ", length $raw, "\n"
                if !defined $b->ignore_response && length $raw;
        }
        tcp_check($b, $tcp);
        $LogPos = -s "$ServRoot/logs/error.log" || 0;
    }
    check_end($b, stop_nginx());
}

sub run_tests () {
    my @b = Test::Base::blocks();
    @b = shuffle @b if $Shuffle;
    for my $b (@b) {
        $_->($b) for @Prep;
        $b->set_value('name', "$0 " . $b->name);
        run_block($b);
    }
}

1;
