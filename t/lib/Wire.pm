package Wire;

# HTTP as it is on the wire: raw requests over loopback, responses taken apart, and
# small apps to be asked, on unix sockets below the servroot. For tests that a request
# and a response expected of it cannot tell; on either Test::Nginx::Socket.

use strict;
use warnings;
use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF SOCK_STREAM);
use Time::HiRes qw(sleep time);

our @EXPORT = qw(dial GET send_to response closed reset_of fetch raw burst app grant answer note notes
    told_app says calls servroot make_file slurp master workers_of as_user descriptors wait_for reload fork_off end_of stop);

our $Timeout = 5;
# how many times as long as that to wait, for an nginx that a sanitizer slows down
my $slow = $ENV{TEST_NGINX_SLOW} || 1;
my ($owner, %children) = ($$);

# --- client ------------------------------------------------------------------

# A connection to the server under test; with a small receive buffer where it is to be slow.
sub dial {
    my %how = @_;
    my $s = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $how{port} // Test::Nginx::Socket::server_port_for_client(), Timeout => $Timeout * $slow,
        $how{rcvbuf} ? (Sockopts => [[SOL_SOCKET, SO_RCVBUF, pack 'i', $how{rcvbuf}]]) : (),
    ) or die "cannot connect: $!";
    ${*$s}{wire_rest} = '';
    return $s;
}

# A request by its target and header lines; Connection: close unless they say otherwise.
sub GET {
    my ($target, @lines) = @_;
    my $method = $target =~ s/^([A-Z]+) // ? $1 : 'GET';
    my $version = $target =~ s/ (HTTP\/\S+)$// ? $1 : 'HTTP/1.1';
    push @lines, 'Connection: close' unless grep { /^Connection:/i } @lines;
    push @lines, 'Host: localhost' unless grep { /^Host:/i } @lines;
    return join "\r\n", "$method $target $version", @lines, '', '';
}

sub send_to {
    my ($s, $data) = @_;
    local $SIG{PIPE} = 'IGNORE';
    while (length $data) {
        my $n = syswrite $s, $data;
        return unless $n;
        substr $data, 0, $n, '';
    }
}

# More bytes; false at the end, or after the time-out.
sub more {
    my $s = shift;
    IO::Select->new($s)->can_read($Timeout * $slow) or return 0;
    return sysread $s, ${*$s}{wire_rest}, 65536, length ${*$s}{wire_rest};
}

# The next response: {status, head, headers => [[name, value]...], body}; status 0 where
# none comes. `whole` is false where the body breaks off.
sub response {
    my ($s, %of) = @_;
    my $rest = \${*$s}{wire_rest};
    my %none = (status => 0, head => '', headers => [], body => '', whole => 0);
    until ($$rest =~ /\r\n\r\n/) { more($s) or return \%none }
    $$rest =~ s/^(.*?\r\n)\r\n//s;
    my %r = (head => $1, body => '', whole => 1);
    ($r{status}) = $r{head} =~ /^HTTP\/\S+ (\d+)/ or return \%none;
    $r{headers} = [map { [/^([^:]*):\s*(.*)/s] } (split /\r\n/, $r{head})[1 .. -1 + (() = $r{head} =~ /\r\n/g)]];
    return \%r if $of{head} || $r{status} =~ /^(?:1..|204|304)$/;
    my ($length) = $r{head} =~ /^Content-Length: (\d+)/mi;
    if ($r{head} =~ /^Transfer-Encoding: chunked/mi) {
        while (1) {
            until ($$rest =~ /^[0-9a-f]+\r\n/i) { more($s) or return { %r, whole => 0 } }
            $$rest =~ s/^([0-9a-f]+)\r\n//i;
            my $n = hex $1;
            until (length $$rest >= $n + 2) { more($s) or return { %r, whole => 0 } }
            $r{body} .= substr $$rest, 0, $n, '';
            substr $$rest, 0, 2, '';
            return \%r if $n == 0;
        }
    }
    if (defined $length) {
        until (length $$rest >= $length) { more($s) or do { $r{whole} = 0; $length = length $$rest } }
        $r{body} = substr $$rest, 0, $length, '';
        return \%r;
    }
    1 while more($s);
    ($r{body}, $$rest) = ($$rest, '');
    return \%r;
}

# Did the server close the connection, with nothing more said?
sub closed {
    my $s = shift;
    return !more($s) && ${*$s}{wire_rest} eq '';
}

# Ends a connection the hard way: by a reset.
sub reset_of {
    my $s = shift;
    setsockopt $s, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    close $s;
}

# The response to one request on a connection of its own.
sub fetch {
    my $request = @_ == 1 && $_[0] =~ /\r\n\r\n/ ? $_[0] : GET(@_);
    my $s = dial();
    send_to($s, $request);
    my $r = response($s, head => scalar $request =~ /^HEAD /);
    close $s;
    return $r;
}

# Everything that comes back on a connection of its own, until the server closes it.
sub raw {
    my $request = shift;
    my $s = dial();
    send_to($s, $request);
    1 while more($s);
    return ${*$s}{wire_rest};
}

# Sends all requests at once, on a connection each; the responses in order.
sub burst {
    my @s = map { my $s = dial(); send_to($s, $_); $s } @_;
    return map { response($_) } @s;
}

# --- apps --------------------------------------------------------------------

# Starts an app on servroot/html/NAME.sock. For each request its sub gets the request's
# text and the connection; what it returns is sent. It gets a process per connection.
sub app {
    my ($name, $code) = @_;
    my $path = servroot() . "/html/$name.sock";
    unlink $path;
    my $listener = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $path, Listen => 128) or die "$path: $!";
    chmod 0777, $path;
    return fork_off(sub {
        $SIG{CHLD} = 'IGNORE';
        while (1) {
            my $c = $listener->accept or next;
            my $pid = fork;
            if ($pid) { close $c; next }
            close $listener;
            my $in = '';
            while (sysread $c, $in, 65536, length $in) {
                while ($in =~ s/^(.*?\r\n\r\n)//s) {
                    my $answer = $code->($1, $c);
                    send_to($c, $answer) if defined $answer;
                    POSIX::_exit(0) unless defined $answer && $answer =~ /^Content-Length:/mi;
                }
            }
            POSIX::_exit(0);
        }
    });
}

# An app's answer.
sub answer {
    my ($status, $body, @lines) = @_;
    $body //= '';
    return join "\r\n", "HTTP/1.1 $status X", @lines, 'Content-Length: ' . length $body, '', $body;
}

# The answer of an app that grants; JSON as given.
sub grant {
    my ($json, @lines) = @_;
    return answer(200, $json, 'Content-Type: application/vnd.nginx-download.grant+json', @lines);
}

# Lines that apps leave for the test.
sub note {
    open my $f, '>>', servroot() . '/html/notes' or return;
    syswrite $f, join '', map { "$_\n" } @_;
}

sub notes {
    open my $f, '<', servroot() . '/html/notes' or return '';
    local $/;
    return scalar <$f> // '';
}

# --- an app that says what it is told --------------------------------------------

# Starts an app on servroot/html/app.sock; says() tells it what to answer.
sub told_app { return app(app => \&as_told) }

# From now on the app answers so when it is asked for /_ask/NAME; `for` one user only, who is
# in the cookie "user"; `after` so many seconds; and breaks off before the last `cut` bytes.
sub says {
    my ($name, $answer, %how) = @_;
    my $path = told($name, $how{for});
    make_file("$path.new", join ' ', $how{after} // 0, $how{cut} // 0, "\n$answer");
    rename "$path.new", $path or die "$path: $!";
}

# How often it was asked for NAME, by whomever, or by this user.
sub calls {
    my ($name, $user) = @_;
    return scalar(() = notes() =~ /^asked \Q$name\E @{[defined $user ? quotemeta $user : '\S+']}$/mg);
}

sub told {
    my ($name, $user) = @_;
    my $file = join '-', 'told', grep { defined } $name =~ s{/}{,}gr, $user;
    return servroot() . "/html/$file";
}

sub as_told {
    my ($request, $connection) = @_;
    my ($name) = $request =~ m{^\S+ /_ask/([^\s?]*)} or return answer(500, 'no question');
    my ($user) = $request =~ /^Cookie: .*?\buser=(\w+)/mi;
    note("asked $name " . ($user // '-'));
    my ($own, $any) = (told($name, $user), told($name));
    my ($after, $cut, $answer) = slurp(-e $own ? $own : $any) =~ /^(\S+) (\d+) \n(.*)/s or return answer(500, "not told of $name");
    if ($after && IO::Select->new($connection)->can_read($after)) {
        note("left $name " . ($user // '-'));
        return undef;
    }
    return $answer unless $cut;
    send_to($connection, substr $answer, 0, -$cut);
    return undef;
}

# --- server ------------------------------------------------------------------

sub servroot { Test::Nginx::Socket::server_root() }

sub slurp {
    open my $f, '<:raw', shift or return '';
    local $/;
    return scalar <$f> // '';
}

sub make_file {
    my ($path, $data) = @_;
    $path = servroot() . "/html/$path" unless $path =~ m{^/};
    open my $f, '>:raw', $path or die "$path: $!";
    print $f $data;
    close $f;
}

# The first process of nginx: the master, or the only one.
sub master { slurp(servroot() . '/logs/nginx.pid') =~ /^(\d+)/ ? $1 : die 'no pid of nginx' }

sub workers_of {
    my $pid = shift;
    my @workers = split ' ', slurp("/proc/$pid/task/$pid/children");
    return @workers ? @workers : $pid;
}

# Has the workers of the blocks that follow run as a user; only root can.
sub as_user {
    my $user = shift;
    chomp $user;
    $user .= ' ' . getgrgid((getpwnam $user)[3]);
    # the one stands in for the other
    no warnings 'once';
    $ENV{TEST_NGINX_WORKER_USER} = $Test::Nginx::Util::WorkerUser = $user;
}

# How many descriptors the workers have open.
sub descriptors {
    my $n = 0;
    for my $pid (workers_of(master())) { $n += () = glob "/proc/$pid/fd/*" }
    return $n;
}

sub wait_for (&;$) {
    my ($done, $seconds) = @_;
    my $end = time + ($seconds // 5) * $slow;
    while (time < $end) {
        return 1 if $done->();
        sleep 0.02;
    }
    return $done->() ? 1 : 0;
}

# Has nginx read its configuration again; waits until new workers are there.
sub reload {
    my $master = master();
    my %old = map { $_ => 1 } workers_of($master);
    kill 'HUP', $master;
    return wait_for { grep { !$old{$_} } workers_of($master) };
}

# --- processes of the test -----------------------------------------------------

sub fork_off {
    my $code = shift;
    my $pid = fork // die "fork: $!";
    if ($pid) { $children{$pid} = 1; return $pid }
    # neither the test's END blocks nor its handlers are for this process
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    setpgrp 0, 0;
    my $done = eval { $code->(); 1 };
    warn $@ unless $done;
    POSIX::_exit($done ? 0 : 1);
}

# Waits for a process of fork_off() to end by itself; its status.
sub end_of {
    my $pid = shift;
    waitpid $pid, 0;
    delete $children{$pid};
    return $? >> 8;
}

# Ends a process of fork_off(), and its own children, which are in its group.
sub stop {
    my $pid = shift;
    delete $children{$pid} or return;
    kill 'KILL', -$pid, $pid;
    waitpid $pid, 0;
}

END {
    my $status = $?;
    if ($$ == $owner) { stop($_) for keys %children }
    $? = $status;
}

1;
