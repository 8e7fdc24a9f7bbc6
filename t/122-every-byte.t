# vi:ft=
# The app ends its connection after each byte of each kind of answer, in order and by a reset; the
# client after each byte of its request, and after each that the app has sent of its answer.
#
# `story` is Perl that runs before the request of the block. The app answers /KIND/END/N by the first
# N bytes of that answer; END is "close", "reset", or "hold" until nginx ends the connection.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use Got;
use Wire;

our $ten = '0123456789';
my ($grant, $denial) = ('{"file":{"storage":"files","path":"ten.txt"}}', 'not you');
my $type = 'Content-Type: application/vnd.nginx-download.grant+json';
our %answers = (
    grant   => grant($grant),
    chunked => "HTTP/1.1 200 OK\r\n$type\r\nTransfer-Encoding: chunked\r\n\r\n" . join('', map { sprintf "%x\r\n%s\r\n", length, $_ } $grant =~ /(.{1,20})/g) . "0\r\n\r\n",
    # the end of the connection is that of the body
    until_closed => "HTTP/1.0 200 OK\r\n$type\r\n\r\n$grant",
    denial  => answer(403, $denial, 'Content-Type: text/plain'),
    login   => answer(302, $denial, 'Location: /login', 'Set-Cookie: a=b'),
    accel   => answer(200, $denial, 'X-Accel-Redirect: /app/ten.txt'),
);
# what the client gets once the head is there, or all of it, if the body counts
our %fate = (denial => qr/403(?: $denial)?/, login => qr/302(?: $denial)?/, accel => qr/200 $ten/);

master_on();
workers(1);

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 128) or die "listen: $!";
our $app = $listener->sockport;

add_block_preprocessor(sub {
    my $block = shift;
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    $block->set_value(http_config => <<"END");
download_storage files root=$html/files;
download_rule /app/ files;
download_cache_zone zone=grants:4m;
upstream app { server 127.0.0.1:$app; }
proxy_http_version 1.1;
proxy_set_header Connection "";
keepalive_requests 100000;
END
    $block->set_value(config => <<"END");
add_header X-Failure \$download_failure always;
location = /ready { return 200 ready; }
location /asked/ { download object /_ask\$uri; }
location /unbuffered/ { download object /_unbuffered\$uri; }
location /remembered/ { download object /_ask\$uri; download_cache grants; download_cache_key \$uri; download_cache_valid 1h denied=1h; }
location /intercepted/ { download_intercept all; proxy_pass http://app; }
location /files/ { download storage files; }
location /_ask/ { internal; proxy_pass http://app; }
location /_unbuffered/ { internal; proxy_pass http://app; proxy_buffering off; }
END
    $block->set_value(user_files => [['files/ten.txt', $ten]]);
    $block->set_value(init => 'package main; our ($ten, %answers); ' . $block->story);
    $block->set_value(request => 'GET /ready');
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n");
});

# What the app says to the test: "h" as it holds an answer, "e" as its connection ends.
pipe my $hears, my $says or die "pipe: $!";

sub heard {
    my $seconds = 5 * ($ENV{TEST_NGINX_SLOW} || 1);
    IO::Select->new($hears)->can_read($seconds) && sysread $hears, my $word, 1 or return 'nothing';
    return $word;
}

# One process is enough: each answer is there at once.
my $serving = fork_off(sub {
    while (1) {
        my $c = $listener->accept or next;
        my $in = '';
        1 while $in !~ /\r\n\r\n/ && sysread $c, $in, 65536, length $in;
        my ($kind, $end, $n) = $in =~ m{^GET /\S*?/(\w+)/(close|reset|hold)/(\d+) } or next;
        send_to($c, substr $answers{$kind}, 0, $n);
        if ($end eq 'hold') {
            syswrite $says, 'h';
            sysread $c, $in, 1;
            syswrite $says, 'e';
        }
        $end eq 'reset' ? reset_of($c) : close $c;
    }
});

# Answers of these kinds, cut off, get the client a 502; the last of them, or all from the end of the
# head on, what they say.
sub cut_off {
    my ($where, @kinds) = @_;
    my $before = do { alive($where); descriptors() };
    for my $kind (@kinds) {
        my $answer = $answers{$kind};
        my $enough = $fate{$kind} ? index($answer, "\r\n\r\n") + 4 : length $answer;
        for my $end (qw(close reset)) {
            my $s = dial();
            my (%cut, %enough);
            for my $n (0 .. length $answer) {
                send_to($s, GET("/$where/$kind/$end/$n", 'Connection: keep-alive'));
                my $r = response($s);
                $s = dial() if $r->{head} =~ /^Connection: close/mi;
                my $got = join ' ', $r->{status}, $r->{body} =~ /^<html>/ ? () : $r->{body}, $r->{whole} ? () : 'broken off';
                $n < $enough ? $cut{$got}++ : $enough{$got}++;
            }
            my ($cut, $rest) = map { my $n = $_; join ', ', map { "$n->{$_} x $_" } sort keys %$n } \%cut, \%enough;
            is($cut, "$enough x 502", "$where, $kind, $end: cut off");
            my $fate = $fate{$kind} // qr/200 $ten/;
            # a reset may overtake what was sent
            $fate = qr/502|$fate/ if $end eq 'reset';
            like($rest, qr/^(?:\d+ x (?:$fate)(?:, |$))+$/, "$where, $kind, $end: there");
        }
    }
    alive("$where, after");
    no_descriptor_more($before, $where);
}

sub no_descriptor_more {
    my ($before, $what) = @_;
    wait_for { descriptors() <= $before } 15;    # a lingering close takes 5
    cmp_ok(descriptors(), '<=', $before, "$what: no descriptor more");
}

no_long_string();
run_tests();

__DATA__

=== the app goes away after each byte of its answer
--- story
cut_off('asked', qw(grant chunked until_closed denial login));



=== the app goes away after each byte of its answer, unbuffered
--- story
cut_off('unbuffered', qw(grant chunked until_closed denial));



=== the app goes away after each byte of an answer that would be remembered
--- story
cut_off('remembered', qw(grant chunked denial));



=== the app goes away after each byte of a response that refers to a file
--- story
cut_off('intercepted', qw(grant chunked until_closed accel));



=== the client goes away after each byte of its request
--- story
my $before = do { alive('before'); descriptors() };
for my $where ('asked', 'remembered', 'intercepted', 'files/ten.txt?') {
    my $request = GET("/$where/grant/close/" . length $answers{grant}, 'Range: bytes=2-4', 'Cookie: a=b', 'Content-Length: 4') . 'body';
    for my $end (sub { close shift }, \&reset_of) {
        for my $n (0 .. length $request) {
            my $s = dial();
            send_to($s, substr $request, 0, $n);
            $end->($s);
        }
    }
    is(fetch($request)->{body}, '234', "$where: and then");
}
alive('after');
no_descriptor_more($before, 'after');



=== the client goes away after each byte of the app's answer
--- story
my $before = do { alive('before'); descriptors() };
for my $where (qw(asked unbuffered remembered intercepted)) {
    for my $kind ($where eq 'intercepted' ? qw(grant accel) : qw(grant denial)) {
        # an answer that is remembered is not asked for again
        for my $end ([closed => sub { close shift }], [reset => \&reset_of]) {
            my %heard;
            for my $n (0 .. length $answers{$kind}) {
                my $s = dial();
                send_to($s, GET("/$where/$end->[0]/$kind/hold/$n"));
                my $heard = heard();
                $end->[1]->($s);
                $heard{ $heard . heard() }++;
            }
            is_deeply(\%heard, { he => 1 + length $answers{$kind} }, "$where, $kind, $end->[0]: the app is asked, and nginx ends the connection") or diag(join ' ', %heard);
        }
    }
}
alive('after');
no_descriptor_more($before, 'after');
