# vi:ft=
# Signed links: which are good, in each scheme, and what becomes of the others; whatever the
# location does with them.
#
# `story` is Perl that runs before the request of the block. The locations /dl/, /media/ and /old/
# send the same files, by links of hmac-sha256, django and secure-link. Mistakes in nginx.conf are
# in 095-signature-conf.t.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Time::HiRes qw(sleep time);
use IO::Socket::IP;
use POSIX ();
use Links;
use Wire;

our ($key, $other) = ('a key of 32 bytes, or even more?', 'django-insecure-^k3y&with=odd+chars%20');

add_block_preprocessor(sub {
    my $block = shift;
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    master_on();
    $block->set_value(http_config => <<"END" . ($block->http_config // ''));
download_storage files root=$html/files;
large_client_header_buffers 4 32k;
keepalive_requests 10000;
add_header X-Failure \$download_failure always;
add_header X-Grant \$download_grant always;
add_header X-View \$download_view always;
add_header X-Basename \$download_basename always;
upstream app { server unix:$html/app.sock; }
END
    $block->set_value(config => <<"END" . ($block->config // ''));
location = /ready { return 200 ready; }
location /dl/ { download storage files; download_signature hmac-sha256 key_file=keys; }
location /media/ { download storage files; download_signature django key_file=keys; }
location /old/ { download storage files; download_signature secure-link key_file=keys "value=\$arg_expires\$uri "; }
END
    $block->set_value(user_files => [
        ['../conf/keys', "$main::key\r\n\r\n$main::other\n"],
        ['files/a.txt', "0123456789\n", '202401020304.05'], ['files/b.txt', "the other\n"], ['files/sub/c.txt', "below\n"],
        @{ $block->user_files // [] },
    ]);
    $block->set_value(init => 'package main; our ($key, $other, $unsigned, $bad, $expired, $not_yet); ' . ($block->story // ''));
    $block->set_value(log_level => 'info') unless defined $block->log_level;
    $block->set_value(request => 'GET /ready');
});

# What becomes of a request: "200 signed", or "403 label: what the log says". Client and log have
# to tell the same.
sub said {
    my ($r, $log) = @_;
    my %h = map { lc $_->[0] => $_->[1] } @{$r->{headers}};
    my @logged = map { /\*\d+ download \w+: (\w+): (?:the link is not valid: )?(.*?)(?: while [^,]*)?(?:, client:|$)/ ? [$1, $2] : () } split /^/, $log;
    my $failure = $h{'x-failure'} // '';
    return "$r->{status} " . ($h{'x-grant'} // '') if !@logged && $failure eq '';
    return "$r->{status} $failure: $logged[0][1]" if @logged == 1 && $logged[0][0] eq $failure;
    return "$r->{status} '$failure', logged " . join '; ', map { "$_->[0]: $_->[1]" } @logged;
}

sub ask {
    my $log = servroot() . '/logs/error.log';
    my $at  = -s $log;
    my $r   = fetch(@_);
    return said($r, substr slurp($log), $at);
}

# Many requests on one connection: how many met which fate, by the client's account.
sub fates {
    my %fates;
    my $s = dial();
    for (@_) {
        send_to($s, GET($_, 'Connection: keep-alive'));
        my $r = response($s, head => scalar(/^HEAD /));
        my %h = map { lc $_->[0] => $_->[1] } @{$r->{headers}};
        $fates{join ' ', $r->{status}, $h{'x-failure'} // $h{'x-grant'} // ''}++;
    }
    return join ', ', map { "$fates{$_} x $_" } sort keys %fates;
}

sub header { my ($r, $name) = @_; join '|', map { $_->[1] } grep { lc $_->[0] eq lc $name } @{$r->{headers}} }

sub soon { int(time) + 1000 }

# A good link of /dl/, and of each scheme.
sub dl { my ($path, $claims) = @_; hmac_link($key, $path, 'expires=' . soon() . ($claims // '')) }
sub each_scheme { my ($name) = @_; (dl("/dl/$name"), django_link($key, "/media/$name"), secure_link($key, "/old/$name", soon())) }

# An app that notes what it is asked, and grants a.txt.
sub granting_app {
    app(app => sub {
        my ($uri) = $_[0] =~ /^\w+ (\S+)/;
        my ($name) = $uri =~ /(\w+\.txt)/;
        note("asked $uri");
        return $uri =~ m{^/_ask} ? grant(qq({"file":{"storage":"files","path":"$name"},"cache":{"ttl":60}})) : answer(200, "of the app: $uri\n");
    });
}

our $unsigned = '403 unsigned: the link is not signed';
our $bad      = '403 bad_signature: no key has signed it';
our $expired  = '403 link_expired: the link has expired';
our $not_yet  = '403 link_not_yet: the link is not valid yet';

no_long_string();
run_tests();

__DATA__

=== a good link of each scheme: the file, as ever
--- story
for my $link (each_scheme('a.txt')) {
    my ($where) = $link =~ /(\w+)/;
    is(ask($link), '200 signed', "$where: good");
    my $r = fetch($link);
    is($r->{body}, "0123456789\n", "$where: the file");
    is(header($r, 'X-View'), 'storage', "$where: the view");
    is(header($r, 'Content-Disposition'), 'attachment; filename="a.txt"', "$where: its name");
    my $etag = header($r, 'ETag');
    is(ask($link, "If-None-Match: $etag"), '304 signed', "$where: the same version");
    is(ask("HEAD $link"), '200 signed', "$where: HEAD");
    is(header(fetch("HEAD $link"), 'Content-Length'), 11, "$where: HEAD: the length");
    $r = fetch($link, 'Range: bytes=2-4');
    is("$r->{status} $r->{body} " . header($r, 'X-Grant'), '206 234 signed', "$where: a range");
    $r = fetch($link, 'Range: bytes=20-');
    is("$r->{status} $r->{body}" =~ s{ .*}{}sr, 416, "$where: a range beyond the end");
    is(ask($link =~ s/\?.*//sr, 'Range: bytes=2-4'), $unsigned, "$where: a range, unsigned");
    is(ask($link =~ s/\?.*//sr, "If-None-Match: $etag"), $unsigned, "$where: a condition, unsigned");
    is(ask("POST $link", 'Content-Length: 0'), '405 method: only GET and HEAD are answered', "$where: POST");
}
for my $link (each_scheme('none.txt')) {
    like(ask($link), qr/^404 'missing', logged missing: |^404 missing: /, "$link: good, but there is no such file");
}



=== missing, empty, repeated
--- story
for my $link (each_scheme('a.txt')) {
    my ($path, $query) = split /\?/, $link, 2;
    my ($arg, $code) = $query =~ /((?:X-S|s)ignature|md5)=([^&]*)/;
    is(ask($path), $unsigned, "$path: nothing");
    is(ask("$path?"), $unsigned, "$path: an empty query");
    is(ask("$path?" . $query =~ s/$arg=[^&]*//r), $unsigned, "$path: without $arg");
    is(ask("$path?" . $query =~ s/$arg/x$arg/r), $unsigned, "$path: x$arg");
    is(ask("$path?" . $query =~ s/$arg/${arg}x/r), $unsigned, "$path: ${arg}x");
    is(ask("$path?" . $query =~ s/$arg=[^&]*/$_/r), '403 bad_signature: the signature is empty', "$path: $_")
        for $arg, "$arg=";
    is(ask("$link&$_"), '403 bad_signature: the signature comes twice', "$path: and $_") for $arg, "$arg=$code", "$arg=x";
    is(ask("$path?$_&$query"), '403 bad_signature: the signature comes twice', "$path: $_ first") for $arg, "$arg=$code", "$arg=x";
    # by its bare words in a header, a cookie or a body it is not there
    is(ask($path, "Cookie: $query", "Authorization: $query", "X-Signature: $code"), $unsigned, "$path: in headers");
    is(ask("$path#$query"), $unsigned, "$path: in a fragment");
    is(ask($path =~ s/\?/%3F/r . "%3F$query"), $unsigned, "$path: in the path");
}
# nginx compares names of arguments in either case, Django does not
my ($hmac, $django, $md5) = each_scheme('a.txt');
is(ask($hmac =~ s/signature/Signature/r), $unsigned, 'hmac-sha256: in another case');
is(ask($django =~ s/X-S/x-s/r), $unsigned, 'django: in another case');
is(ask($md5 =~ s/md5/MD5/r), '200 signed', 'secure-link: in another case, as nginx has it');
is(ask("$md5&MD5=x"), '403 bad_signature: the signature comes twice', 'secure-link: twice, in another case');
is(ask("$hmac&%73ignature=x"), '403 bad_signature: the signature comes twice', 'hmac-sha256: twice, escaped');
is(ask("$django&%58-Signature=x"), '403 bad_signature: the signature comes twice', 'django: twice, escaped');
is(ask($django =~ s/X-S/%58-S/r), '200 signed', 'django: escaped');



=== garbage of 1 to 10,000 bytes
--- story
srand 7;
my $expires = soon();
my @lengths = (1 .. 50, 85 .. 90, (map { 2 ** $_ - 1, 2 ** $_, 2 ** $_ + 1 } 7 .. 13), 4095 .. 4100, 10_000);
my @kinds = (
    sub { join '', map { ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_')[rand 64] } 1 .. shift },
    sub { join '', map { ('%', ':', '=', '/', '+', '%2', '%zz', '.', '?', ';', "'", "\xff")[rand 12] } 1 .. shift },
    sub { join '', map { chr(0x80 + rand 128) } 1 .. shift },
    sub { '%00' x shift() },
    sub { 'A:' x shift() },
);
my $n = @lengths * @kinds;
for my $link (each_scheme('a.txt')) {
    my ($start, $end) = $link =~ /^(.*(?:ignature|md5)=)[^&]*(.*)/ or die;
    my @links = map { my $length = $_; map { "$start" . substr($_->($length), 0, $length) . $end } @kinds } @lengths;
    is(fates(@links), "$n x 403 bad_signature", "$start");
    # all of the query is garbage: there may well be no signature in it
    like(fates(map { s/\?.*//r . '?' . /=(.*)/s ? s/\?.*?=/?/r : die } @links), qr/^(?:\d+ x 403 (?:bad_signature|unsigned)(?:, |$))+$/, "$start: and nothing else");
}
is(ask($_), '200 signed', 'and the worker is alive and well') for each_scheme('a.txt');



=== all bit flips
--- story
for my $link (each_scheme('a.txt')) {
    my ($start, $code, $end) = $link =~ /^(.*[=:])([\w-]{43}|[\w-]{22})(&expires=\d+)?$/ or die $link;
    $end //= '';
    my @flips = map { "$start$_$end" } flips($code);
    is(scalar @flips, $code =~ /^.{43}$/ ? 256 : 128, "$start: flips of the code's bits");
    is(fates(@flips), @flips . ' x 403 bad_signature', "$start: flips of the code's bits");
    @flips = map { "$start$_$end" } text_flips($code);
    cmp_ok(scalar @flips, '>', 5 * length $code, "$start: flips of the text's bits");
    # 'c' ^ 0x40 is a '#', at which the query would end: that one is left out
    my $fates = fates(@flips);
    is($fates, @flips . ' x 403 bad_signature', "$start: flips of the text's bits");
    is(fates($link), '1 x 200 signed', "$start: it was good");
}
# of all that a link of ours says
my $link = dl('/dl/sub/c.txt', '&basename=Q3%20r.txt&v=1');
my ($path, $said) = $link =~ /^([^?]*\?)(.*)&signature/ or die;
my @flips = map { $path . $_ . $link =~ s/.*(?=&signature=)//r } text_flips($said);
unlike(fates(@flips), qr/200/, 'flips of the query');
is(ask($link), '200 signed', 'which was good');



=== bad base64
--- story
for my $link (each_scheme('a.txt')) {
    my ($start, $code, $end) = $link =~ /^(.*[=:])([\w-]{43}|[\w-]{22})(&expires=\d+)?$/ or die $link;
    $end //= '';
    my @bad = ("$code=", "$code%3D", "=$code", "-$code", "${code}A", substr($code, 1), substr($code, 0, -1), ".$code", "$code.", "$code%20",
        "+$code", "$code%00", "%00$code", "$code%0A", lc $code, uc $code, scalar reverse($code), "$code$code", "$code,$code");
    # the last character has bits that no byte has: only one of them spells the code
    my $last = substr $code, -1;
    push @bad, map { substr($code, 0, -1) . $_ } grep { $_ ne $last } 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_';
    push @bad, "$code==" unless $end;
    is(fates(map { "$start$_$end" } @bad), @bad . ' x 403 bad_signature', "$start: misspelt");
}
# in standard base64, of codes that have a "-" or "_"
my @links = grep { /signature=.*[-_]/ } map { dl('/dl/a.txt', "&n=$_") } 1 .. 20;
is(fates(map { s{signature=\K(.*)}{$1 =~ tr,-_,+/,r}er } @links), @links . ' x 403 bad_signature', 'hmac-sha256: in standard base64');
is(fates(map { s{signature=\K(.*)}{join '', map { /[-_]/ ? sprintf '%%%02X', ord : $_ } split //, $1}er } @links), @links . ' x 403 bad_signature', 'hmac-sha256: escaped');
my $md5 = secure_link($key, '/old/a.txt', soon());
is(ask($md5 =~ s/&/==&/r), '200 signed', 'secure-link: padded');
is(ask($md5 =~ s/&/$_&/r), $bad, "secure-link: padded by $_") for '=', '===', '%3D%3D', '==%20';



=== another path, another location, another scheme
--- story
my $expires = soon();
my ($hmac, $django, $md5) = map { s/^[^?]*\?//r } each_scheme('a.txt');
my $other_path = '403 bad_signature: it is signed for another path';
for my $path ('b.txt', 'sub/c.txt', 'A.txt', 'a.tx', 'a.txtt', 'a.txt/', '', 'a.txt%20', 'a.txt%00x') {
    for (["/dl/$path?$hmac", $bad], ["/media/$path?$django", $other_path], ["/old/$path?$md5", $bad]) {
        my ($link, $why) = @$_;
        # nginx takes no NUL in a path
        is(ask($link), $path =~ /%00/ ? '400 ' : $why, $link);
    }
}
is(ask($_), $unsigned, "$_: of another scheme") for "/dl/a.txt?$django", "/dl/a.txt?$md5", "/media/a.txt?$hmac", "/media/a.txt?$md5", "/old/a.txt?$hmac";
is(ask("/media/a.txt?" . django_link($key, '/dl/a.txt') =~ s/.*\?//r), $other_path, 'django: for another location');
is(ask("/old/a.txt?" . secure_link($key, '/dl/a.txt', $expires) =~ s/.*\?//r), $bad, 'secure-link: for another location');
# what Django would sign with another salt, or without a time
is(ask('/media/a.txt?X-Signature=/media/a.txt:' . base64url(Digest::SHA::hmac_sha256('/media/a.txt', Digest::SHA::sha256("django.core.signing.Signersigner$key")))),
    $bad, 'django: by another signer');
like(ask('/media/a.txt?X-Signature=' . Links::django_signature($key, '/media/a.txt')), qr/^403 bad_signature: /, 'django: without a time');
is(ask('/media/a.txt?X-Signature=' . Links::django_signature($key, "/media/a.txt:$_")), '403 bad_signature: its time is malformed', "django: made at '$_'")
    for '', '-1', '1_2', '1.5', 'zzzzzzzzzzzzzzzz', "\xc3\xa9";
# the host is not signed, nor is the form of the request line
is(ask("http://example.org/dl/a.txt?$hmac"), '200 signed', 'hmac-sha256: an absolute URL');
is(ask(dl('/dl/a.txt'), 'Host: example.org'), '200 signed', 'hmac-sha256: another host');
# the same file by another spelling
for my $path ('/dl/%61.txt', '/dl//a.txt', '/dl/./a.txt', '/dl/sub/../a.txt', '//dl/a.txt', '/dl/%2e/a.txt') {
    is(ask("$path?$hmac"), $bad, "hmac-sha256: $path");
    is(ask(dl($path)), '200 signed', "hmac-sha256: $path, and signed so");
    is(ask($path =~ s/dl/media/r . "?$django"), '200 signed', "django: $path");
    is(ask($path =~ s/dl/old/r . "?$md5"), '200 signed', "secure-link: $path");
}



=== a second more or less
--- config
location /young/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature django key_file=keys max_age=1s; }
--- story
# nginx's own clock is in Date
my $t = int(time) + 2;
my %links = (
    'hmac-sha256' => hmac_link($key, '/dl/a.txt', "expires=$t"),
    'not before'  => hmac_link($key, '/dl/a.txt', 'not_before=' . ($t + 1) . '&expires=' . ($t + 1000)),
    'no time'     => hmac_link($key, '/dl/a.txt', 'not_before=' . ($t + 1) . "&expires=$t"),
    'secure-link' => secure_link($key, '/old/a.txt', $t),
    'django'      => django_link($key, '/young/a.txt', $t - 1),
);
my %late = ('not before' => '200 ', 'no time' => '403 link_expired', 'hmac-sha256' => '403 link_expired', 'secure-link' => '403 link_expired', 'django' => '403 link_expired');
my %early = (%late, map({ $_ => '200 ' } qw(hmac-sha256 secure-link django)), 'not before' => '403 link_not_yet', 'no time' => '403 link_not_yet');
my $s = dial();
my (%wrong, %seen);
my $end = time + 6;
while (time < $end && !(grep { $_ >= $t + 2 } keys %seen)) {
    for (keys %links) {
        send_to($s, GET($links{$_}, 'Connection: keep-alive'));
        my $r = response($s);
        my ($h, $m, $sec) = header($r, 'Date') =~ /(\d\d):(\d\d):(\d\d) GMT/;
        my $now = int($t / 86400) * 86400 + $h * 3600 + $m * 60 + $sec;
        $now += 86400 if $now < $t - 40000;
        $now -= 86400 if $now > $t + 40000;
        my $is = "$r->{status} " . header($r, 'X-Failure');
        my $should = $now > $t ? $late{$_} : $early{$_};
        $wrong{"$_ at " . ($now - $t) . ": $is, not $should"}++ if $is ne $should;
        $seen{$now}++;
    }
    sleep 0.02;
}
is(join('; ', sort keys %wrong), '', 'each changes its mind at the second');
cmp_ok($seen{$t} // 0, '>', 5, 'the very second was seen');
cmp_ok($seen{$t + 1} // 0, '>', 5, 'and the one after');



=== expiries that are none
--- story
my ($past, $soon) = (int(time) - 10, soon());
my $none = '403 bad_signature: expires is no number of seconds';
for ([$past, $expired], [0, $expired], [1, $expired], [$soon, '200 signed'], ['9223372036854775807', '200 signed'], ['9223372036854775808', $none],
    ['18446744073709551615', $none], ['18446744073709551616', $none], [$soon + 2 ** 32, '200 signed'], ["18446744073$soon", $none], ['9' x 100, $none], ["-$soon", $none], ['-1', $none],
    ['-9223372036854775808', $none], ["0$soon", $none], ["+$soon", $none], ["%2B$soon", $none], ["%20$soon", $none], ["$soon%20", $none], ["$soon.0", $none], ['1e12', $none],
    ["0x$soon", $none], ["$soon,$soon", $none], ["$soon%00", $none], ["$soon;$soon", $none], ['never', $none], ["%D9%A1$soon", $none], ['nan', $none], ['inf', $none]) {
    my ($expires, $fate) = @$_;
    is(ask(hmac_link($key, '/dl/a.txt', "expires=$expires")), $fate, "hmac-sha256: expires=$expires");
    is(ask(secure_link($key, '/old/a.txt', $expires)), $fate, "secure-link: expires=$expires");
}
is(ask(hmac_link($key, '/dl/a.txt', "expires=%31" . substr $soon, 1)), '200 signed', 'hmac-sha256: form-decoded');
is(ask(hmac_link($key, '/dl/a.txt', 'x=1')), '403 bad_signature: expires is missing', 'hmac-sha256: without');
is(ask(hmac_link($key, '/dl/a.txt', "EXPIRES=$soon")), '403 bad_signature: expires is missing', 'hmac-sha256: in another case');
is(ask(hmac_link($key, '/dl/a.txt', $_)), '403 bad_signature: a claim is empty', "hmac-sha256: $_") for 'expires', 'expires=', "expires=$soon&not_before=";
is(ask(hmac_link($key, '/dl/a.txt', $_)), '403 bad_signature: a claim comes twice', "hmac-sha256: $_")
    for "expires=$soon&expires=$soon", "expires=$soon&e%78pires=$soon", "expires=$past&expires=$soon";
my $md5 = secure_link($key, '/old/a.txt', $past);
is(ask("$md5&expires=$soon"), '403 bad_signature: expires comes twice', 'secure-link: twice');
is(ask("$md5&EXPIRES=$soon"), '403 bad_signature: expires comes twice', 'secure-link: twice, in another case');
is(ask($md5 =~ s/\?/?Expires=$soon&/r), '403 bad_signature: expires comes twice', 'secure-link: twice, the other way round');
is(ask($md5 =~ s/expires=$past/expires=$soon/r), $bad, 'secure-link: prolonged');
is(ask($md5 =~ s/&expires=.*//r), '403 bad_signature: expires is missing', 'secure-link: without');
is(ask(secure_link($key, '/old/a.txt', '', '/old/a.txt ')), '403 bad_signature: expires is no number of seconds', 'secure-link: empty, and signed so');
is(ask(secure_link($key, '/old/a.txt', $soon) =~ s/expires/e%78pires/r), '403 bad_signature: expires is missing', 'secure-link: escaped');
my $never = '403 bad_signature: not_before is no number of seconds';
for ([0, '200 signed'], [1, '200 signed'], [$past, '200 signed'], [$soon, $not_yet], ['9223372036854775807', $not_yet], ['9223372036854775808', $never],
    ["0$past", $never], ['-1', $never], ["+$past", $never], ['x', $never]) {
    my ($begin, $fate) = @$_;
    is(ask(dl('/dl/a.txt', "&not_before=$begin")), $fate, "not_before=$begin");
}
# who has no signature is told nothing of times
is(ask(hmac_link($key, '/dl/a.txt', "expires=$past") =~ s/$past/$soon/r), $bad, 'hmac-sha256: prolonged');
is(ask(hmac_link('x', '/dl/a.txt', "expires=$past")), $bad, 'hmac-sha256: forged, and expired');
is(ask(secure_link('x', '/old/a.txt', $past)), $bad, 'secure-link: forged, and expired');



=== for a method
--- config
location /app/ { proxy_pass http://app; download_signature hmac-sha256 key_file=keys; }
location /strict/ { proxy_pass http://app; download_signature hmac-sha256 key_file=keys; limit_except GET POST { deny all; } }
location /but/ { proxy_pass http://app; download_signature hmac-sha256 key_file=keys; limit_except GET { allow 127.0.0.1; deny all; } }
--- story
granting_app();
my $not = '403 bad_signature: it is for another method';
my @post = ('Content-Length: 0');
for (['', 'GET', 'HEAD', 'POST', 'DELETE', 'PROPFIND'], ['&method=GET', 'GET', 'HEAD'], ['&method=HEAD', 'HEAD']) {
    my ($claim, @good) = @$_;
    for my $method (qw(GET HEAD POST DELETE PROPFIND)) {
        my $good = grep { $_ eq $method } @good;
        is(ask("$method " . dl("/app/a.txt", $claim), @post), $good ? '200 signed' : $not, "$method, $claim");
    }
}
is(ask(dl('/dl/a.txt', "&method=$_")), '403 bad_signature: method is neither GET nor HEAD', "method=$_") for "get", "POST", "GET,HEAD", "%47ET%20", "*";
is(ask(dl('/dl/a.txt', '&method=%47ET')), '200 signed', 'form-decoded');
is(ask('POST ' . dl('/strict/a.txt'), @post), '200 signed', 'in a block of limit_except');
is(ask('DELETE ' . dl('/strict/a.txt'), @post) =~ s/ .*//r, '403', 'which denies what it denies');
is(ask('POST /strict/a.txt', @post), $unsigned, 'a block of limit_except inherits the check');
is(ask('POST /but/a.txt', @post), $unsigned, 'and where it allows');
is(ask('POST ' . dl('/but/a.txt'), @post), '200 signed', 'and where it allows: signed');
is(scalar(() = notes() =~ /^asked/mg), 10, 'the app has seen what was signed and nothing else');
# a body that is refused is no request
my $raw = raw("POST /app/a.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 43\r\n\r\n" . "GET /ready HTTP/1.1\r\nHost: smuggled\r\nX: 1\r\n" . GET('/ready'));
is(scalar(() = $raw =~ /^HTTP/mg), 2, 'a body is no request') or diag($raw);



=== for an address
--- http_config
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/html/front.sock;
    location /dl/ { download storage files; download_signature hmac-sha256 key_file=keys; }
}
--- story
my $not = '403 bad_signature: it is for another address';
my $malformed = '403 bad_signature: address is no IP address or network';
for (['127.0.0.1', '200 signed'], ['127.0.0.1/32', '200 signed'], ['127.0.0.1%2F8', '200 signed'], ['127.9.9.9/8', '200 signed'], ['127.0.0.0/31', '200 signed'], ['0.0.0.0/0', '200 signed'],
    ['::ffff:127.0.0.1', '200 signed'], ['%3A%3Affff%3A7f00:1/128', '200 signed'], ['127.0.0.2', $not], ['127.0.0.2/31', $not], ['126.0.0.0/8', $not], ['10.0.0.0/8', $not],
    ['::1', $not], ['::/0', $not], ['127.0.0.1/33', $malformed], ['127.0.0.1/', $malformed], ['127.0.0.1/08', $malformed], ['127.0.0.1/-1', $malformed], ['127.1', $malformed],
    ['2130706433', $malformed], ['0177.0.0.1', $malformed], ['localhost', $malformed], ['127.0.0.1,127.0.0.1', $malformed], ['127.0.0.1+', $malformed], ['unix:', $malformed], ['*', $malformed]) {
    my ($address, $fate) = @$_;
    is(ask(dl('/dl/a.txt', "&address=$address")), $fate, "address=$address");
}
is(ask(dl('/dl/a.txt', '&address=10.0.0.1'), 'X-Forwarded-For: 10.0.0.1', 'X-Real-IP: 10.0.0.1', 'Forwarded: for=10.0.0.1'), $not, 'what the client says of itself does not count');
# by a unix socket: from no address
my $s = IO::Socket::UNIX->new(Peer => servroot() . '/html/front.sock') or die;
${*$s}{wire_rest} = '';
send_to($s, GET(dl('/dl/a.txt', '&address=0.0.0.0/0')));
is(response($s)->{status}, 403, 'no address is in no network');



=== for an address, behind a proxy that is trusted
--- skip_eval
1: `$Test::Nginx::Socket::Nginx -V 2>&1` !~ /realip/
--- config
set_real_ip_from 127.0.0.1;
real_ip_header X-Real-IP;
location /md5/ { download storage files; download_signature secure-link key_file=keys; }
--- story
my $not = '403 bad_signature: it is for another address';
for (['192.0.2.7', '192.0.2.7', '200 signed'], ['192.0.2.0/24', '192.0.2.255', '200 signed'], ['192.0.2.0/24', '192.0.3.0', $not], ['192.0.2.7', '127.0.0.1', $not], ['127.0.0.1', '192.0.2.7', $not],
    ['2001:db8::/32', '2001:db8:1::5', '200 signed'], ['2001:db8::/32', '2001:db9::5', $not], ['2001%3adb8%3a%3a5', '2001:DB8:0:0:0:0:0:5', '200 signed'], ['192.0.2.7', '::ffff:192.0.2.7', '200 signed'],
    ['::/0', '192.0.2.7', $not], ['0.0.0.0/0', '2001:db8::5', $not]) {
    my ($claim, $address, $fate) = @$_;
    is(ask(dl('/dl/a.txt', "&address=$claim"), "X-Real-IP: $address"), $fate, "$address with address=$claim");
}
my $soon = soon();
my $link = secure_link($key, '/md5/a.txt', $soon, "$soon/md5/a.txt192.0.2.7 ");
is(ask($link, 'X-Real-IP: 192.0.2.7'), '200 signed', 'secure-link: its expression has the address');
is(ask($link, 'X-Real-IP: 192.0.2.8'), $bad, 'secure-link: of another client');
is(ask($link), $bad, 'secure-link: of the proxy itself');



=== for an address, IPv6
--- skip_eval
1: !IO::Socket::IP->new(LocalHost => '::1', Listen => 1)
--- http_config
server {
    listen [::1]:$TEST_NGINX_RAND_PORT_1 ipv6only=on;
    server_name v6;
    location = /port { return 200 $server_port; }
    location /dl/ { download storage files; download_signature hmac-sha256 key_file=keys; }
}
server {
    listen [::]:$TEST_NGINX_RAND_PORT_2 ipv6only=off;
    server_name both;
    location /dl/ { download storage files; download_signature hmac-sha256 key_file=keys; }
}
--- story
my ($v6, $both) = slurp(servroot() . '/conf/nginx.conf') =~ /listen \[[:1]*\]:(\d+)/g;
my $get = sub {
    my ($host, $port, $claim) = @_;
    my $s = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Timeout => 5) or die "$host: $@";
    ${*$s}{wire_rest} = '';
    send_to($s, GET(dl('/dl/a.txt', "&address=$claim")));
    return response($s)->{status};
};
for (['::1', 200], ['0:0:0:0:0:0:0:1', 200], ['::1/128', 200], ['::/0', 200], ['::/127', 200], ['::2/127', 403], ['::2', 403], ['127.0.0.1', 403], ['0.0.0.0/0', 403], ['[::1]', 403], ['::1%25lo', 403]) {
    is($get->('::1', $v6, $_->[0]), $_->[1], "::1 with address=$_->[0]");
}
# an IPv4 client of an IPv6 socket
for (['127.0.0.1', 200], ['127.0.0.0/8', 200], ['::ffff:127.0.0.1', 200], ['::ffff:127.0.0.0/104', 200], ['::/0', 403], ['::1', 403], ['127.0.0.2', 403]) {
    is($get->('127.0.0.1', $both, $_->[0]), $_->[1], "127.0.0.1, by an IPv6 socket, with address=$_->[0]");
}



=== below a prefix
--- config
location /dl-old/ { download storage files; download_signature hmac-sha256 key_file=keys; }
location = /dl { download storage files a.txt; download_signature hmac-sha256 key_file=keys; }
--- story
my $query = 'expires=' . soon();
my $outside = '403 bad_signature: the path is not below its prefix';
my $none = '403 bad_signature: prefix is no directory below the root';
for (['/dl/', '/dl/a.txt', '200 signed'], ['/dl/', '/dl/sub/c.txt', '200 signed'], ['%2Fdl%2F', '/dl/a.txt', '200 signed'], ['/dl%2f', '/dl/sub/../b.txt', '200 signed'],
    ['/dl/', '/dl/%61.txt', '200 signed'], ['/dl/', '/dl//a.txt', '200 signed'], ['/dl/', '//dl/a.txt', '200 signed'], ['/%64l/', '/dl/a.txt', '200 signed'], ['/dl/', '/dl/sub%2Fc.txt', '200 signed'], ['/dl/', '/dl%2Fa.txt', '200 signed'],
    ['/dl/sub/', '/dl/sub/c.txt', '200 signed'],
    ['/dl/sub/', '/dl/a.txt', $outside], ['/dl/sub/', '/dl/sub/../a.txt', $outside], ['/dl/sub/', '/dl/sub/%2e%2e/a.txt', $outside], ['/dl/sub/', '/dl/sub/%2E./a.txt', $outside],
    ['/dl/sub/', '/dl/sub/..%2fa.txt', $outside], ['/dl/sub/', '/dl/sub//../a.txt', $outside], ['/dl/sub/', '/dl/sub/.%2e%2fa.txt', $outside], ['/dl/sub/', '/dl/sub', $outside],
    ['/dl/', '/dl-old/a.txt', $outside], ['/dl/', '/dl', $outside], ['/dl/', '/dl/', $outside], ['/dl/', '/dl/x/..', $outside], ['/dl/', '/dl/../dl-old/a.txt', $outside],
    ['/DL/', '/dl/a.txt', $outside], ['/media/', '/dl/a.txt', $outside],
    ['/', '/dl/a.txt', $none], ['%2F', '/dl/a.txt', $none], ['//', '/dl/a.txt', $none], ['/dl', '/dl/a.txt', $none], ['dl/', '/dl/a.txt', $none], ['/dl//', '/dl/a.txt', $none], ['//dl/', '/dl/a.txt', $none],
    ['/dl/../', '/dl/a.txt', $none], ['/x/../dl/', '/dl/a.txt', $none], ['/dl/%2e%2e/dl/', '/dl/a.txt', $none], ['/./dl/', '/dl/a.txt', $none], ['/dl/.%2F', '/dl/a.txt', $none], ['/dl%', '/dl/a.txt', $none], ['/d?l/', '/dl/a.txt', $none]) {
    my ($prefix, $path, $fate) = @$_;
    is(ask(prefix_link($key, $prefix, $path, $query)), $fate, "$path with prefix=$prefix");
}
# dots that nginx would resolve to what is not there at all
is(ask(prefix_link($key, '/dl/', '/dl/../../../etc/passwd', $query)) =~ s/ .*//r, '400', 'above the root');
is(ask(prefix_link($key, '/dl/', '/dl/%252e%252e/a.txt', $query)) =~ s/:.*//r, '404 missing', 'dots that are none');
is(ask(prefix_link($key, '/dl/', '/dl/..%5ca.txt', $query)) =~ s/:.*//r, '404 missing', 'a backslash is none');
# a link for a file is none for a prefix, and the other way round
my $link = dl('/dl/a.txt');
is(ask($link =~ s/&signature/&prefix=\/dl\/&signature/r), $bad, 'a prefix is added');
is(ask($link =~ s/expires/prefix=\/dl\/&expires/r), $bad, 'a prefix is added before');
is(ask(prefix_link($key, '/dl/', '/dl/a.txt', $query) =~ s/&prefix=\/dl\///r), $bad, 'a prefix is removed');
is(ask(hmac_link($key, '/dl/a.txt', "$query&prefix=/dl/")), $bad, 'with a prefix, and signed with the path');
is(ask(prefix_link($key, '%2Fdl%2F', '/dl/a.txt', $query) =~ s/%2F/\//gr), $bad, 'a prefix in another spelling');
is(ask(prefix_link($key, '/dl/', '/dl/a.txt', "$query&prefix=/")), '403 bad_signature: a claim comes twice', 'two of them');
is(ask(hmac_link($key, '/dl/', "$query&prefix=")), '403 bad_signature: a claim is empty', 'an empty one');
# all else still holds
is(ask(prefix_link($key, '/dl/', '/dl/a.txt', 'expires=1')), $expired, 'expired');
is(ask(prefix_link($key, '/dl/', '/dl/a.txt', "$query&method=HEAD")), '403 bad_signature: it is for another method', 'for another method');
is(ask(prefix_link($key, '/dl/', '/dl/a.txt', "$query&address=10.0.0.1")), '403 bad_signature: it is for another address', 'for another address');
# a prefix lies between the path and a "?" that ends it: no path reads as one
my $tricky = hmac_link($key, '/dl/x%3F', "$query&prefix=/dl/");
is(ask($tricky =~ s/^[^?]*/\/dl\/a.txt/r), $bad, 'a path with an escaped "?"');



=== prefix, where slashes are not merged
--- http_config
merge_slashes off;
--- story
my $query = 'expires=' . soon();
my $outside = '403 bad_signature: the path is not below its prefix';
is(ask(prefix_link($key, '/dl/sub/', '/dl/sub/c.txt', $query)), '200 signed', 'below');
is(ask(prefix_link($key, '/dl/', '/dl//sub/../a.txt', $query)) =~ s/\d+ (\w+).*/$1/r, 'bad_path', 'a double slash is no path of a storage');
is(ask(prefix_link($key, '/dl/sub/', '/dl/sub//../../a.txt', $query)), $outside, 'two steps up, after an empty one');
is(ask(prefix_link($key, '/dl/sub/', '/dl//sub/c.txt', $query)), $outside, 'another path');



=== names
--- story
my @names = ('a b.txt', 'a%20b.txt', 'a+b.txt', '100%.txt', '%41.txt', 'what?.txt', 'hash#1.txt', 'q&a=1;2.txt', "quo'te\"s.txt", 'a:b~!*().txt', "gr\xc3\xb6\xc3\x9fe.txt",
    "\xe2\x82\xac \xe6\x97\xa5.txt", "latin\xe9.txt", 'back\\slash.txt', ' lead', 'trail ', '...', '..a', '-', 'signature=x', 'sub/d e.txt', '{}[]|^`<>.txt', "tab\there.txt", 'x' x 200);
make_file("files/$_", "this is $_\n") for @names;
my $soon = soon();
# the file that a link gives: there are names that another becomes by decoding once more, or less
my $gives = sub { my ($link, $name) = @_; my $r = fetch($link); my $got = $r->{body} =~ s/^this is (.*)\n$/$1/sr; is("$r->{status} $got", "200 $name", $link =~ s/\?.*//sr) };
for my $name (@names) {
    my $path = escaped($name);
    # as Django's filepath_to_uri()
    my $uri = $name =~ s{([^A-Za-z0-9._~/!*()'-])}{sprintf '%%%02X', ord $1}egr;
    my $signature = django_link($key, "/media/$uri") =~ s/.*?\?X-Signature=//r;
    $gives->(hmac_link($key, "/dl/$path", "expires=$soon"), $name);
    $gives->(hmac_link($key, "/dl/" . $path =~ s/(%[0-9A-F]{2})/lc $1/egr, "expires=$soon"), $name);
    $gives->(prefix_link($key, '/dl/', "/dl/$path", "expires=$soon"), $name);
    $gives->("/media/$uri?X-Signature=$signature", $name);
    $gives->("/media/$uri?X-Signature=" . escaped($signature), $name);
    $gives->("/media/$path?X-Signature=" . escaped($signature) =~ s/%20/+/gr, $name);
    $gives->(secure_link($key, "/old/$path", $soon, "$soon/old/$name "), $name);
    # for this name, and not for one that is taken for it
    for my $twin (grep { $_ ne $name && $_ !~ m{/} } @names) {
        my $at = "/media/" . escaped($twin) . "?X-Signature=$signature";
        my $r = fetch($at);
        is($r->{status}, 403, "$name, not $twin") if $r->{status} != 403;
    }
}
# as it stands, byte for byte, where nginx takes it
is(ask(dl("/dl/gr\xc3\xb6\xc3\x9fe.txt")), '200 signed', 'UTF-8 that is not escaped');
is(ask(dl("/dl/gr\xc3\xb6\xc3\x9fe.txt") =~ s/\xc3\xb6/%C3%B6/r), $bad, 'but escaped on its way');
is(ask(dl('/dl/a+b.txt')), '200 signed', 'a plus in a path is a plus');
is(ask(dl('/dl/a%20b.txt') =~ s/%20/+/r), $bad, 'a space does not become one');
is(ask(dl('/dl/a%20b.txt') =~ s/%20/%2520/r), $bad, 'nor is it escaped twice');
is(ask(dl('/dl/sub%2Fd%20e.txt')), '200 signed', 'an escaped slash, as it is signed');
is(ask(dl('/dl/sub%2Fd%20e.txt') =~ s/%2F/\//r), $bad, 'an escaped slash, unescaped');
is(ask(django_link($key, '/media/sub%2Fd%20e.txt')), '200 signed', 'django: an escaped slash');
is(ask(django_link($key, '/media/a%20b.txt') =~ s/^[^?]*/\/media\/a%2520b.txt/r), '403 bad_signature: it is signed for another path', 'django: a space is no "%20"');
is(ask(django_link($key, '/media/a b.txt') =~ s/^[^?]*/\/media\/a%20b.txt/r =~ s/= ?\K(.*)/escaped($1)/er), '200 signed', 'django: signed as it should not be, unescaped');
is(ask(django_link($key, '/media/100%.txt') =~ s/^[^?]*/\/media\/100%25.txt/r) =~ s/:.*//r, '403 bad_signature', 'django: a path that is no URL path');
# a query of many arguments, some of them odd
is(ask(dl('/dl/a.txt', $_)), '200 signed', "arguments $_") for '&', '&&', '&x', '&=', '&x=%zz', '&x=%', '&x=1&x=2', "&\xff=\xfe", '&x=/../?', '&utm_source=a', '&Prefix=/', '&x[]=1', '&x=' . 'y' x 9000;
is(ask(dl('/dl/a.txt', '&x%=1')), '403 bad_signature: the name of an argument has a bad escape', 'a name that could be anything');
is(ask("$_&utm_source=mail"), '403 bad_signature: the signature must be the last argument of several', 'hmac-sha256: an argument more') for dl('/dl/a.txt');
is(ask("$_&utm_source=mail"), '200 signed', 'an argument more') for django_link($key, '/media/a.txt'), secure_link($key, '/old/a.txt', $soon);
is(ask(s/\?/?utm_source=mail&/r), '200 signed', 'an argument before') for django_link($key, '/media/a.txt'), secure_link($key, '/old/a.txt', $soon);
is(ask(s/\?/?utm_source=mail&/r), $bad, 'hmac-sha256: an argument before') for dl('/dl/a.txt');
is(ask(s/\?/??/r), $bad, 'hmac-sha256: two question marks') for dl('/dl/a.txt');
is(ask("$_#x"), '200 signed', 'a fragment is not seen') for dl('/dl/a.txt');



=== claims: basename, attachment, limit_rate
--- config
location /shown/ { download storage files; download_signature hmac-sha256 key_file=keys; download_attachment off; download_basename conf.txt; }
location /slow/ { download storage files; download_signature hmac-sha256 key_file=keys; limit_rate 20k; }
location /asked/ { download object /_ask$uri; download_signature hmac-sha256 key_file=keys; download_basename conf.txt; }
location /cached/ { download object /_ask$uri; download_signature hmac-sha256 key_file=keys; download_cache z; download_cache_key $uri; download_cache_valid 1m; }
location /_ask/ { internal; proxy_pass http://app; }
location /path/ { download path $TEST_NGINX_SERVER_ROOT/html/files/$arg_f; download_signature hmac-sha256 key_file=keys; }
location /inner/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
location /by/ { download storage inner; download_signature hmac-sha256 key_file=keys; }
location /http/ { download http http://app/remote/$arg_f; download_signature hmac-sha256 key_file=keys; }
location /fetch/ { internal; proxy_pass $download_url; }
location /virtual/ { download virtual /inner/$arg_f; download_signature hmac-sha256 key_file=keys; }
--- http_config
download_cache_zone zone=z:64k;
download_storage inner location=/inner/;
download_storage remote url=http://app/remote/ via=/fetch/;
--- story
app(app => sub {
    my ($name) = $_[0] =~ m{^\w+ /(?:_ask/\w+|remote)/(\w+)};
    note("asked $name");
    my %says = (silent => '', named => ',"basename":"grant.txt"', rate => ',"limit_rate":0', shown => ',"attachment":false', header => ',"headers":{"Content-Disposition":"x"}');
    return defined $says{$name} ? grant(qq({"file":{"storage":"files","path":"a.txt"}$says{$name}})) : answer(200, "far away\n");
});
my $disposition = sub { header(fetch(dl(@_)), 'Content-Disposition') };
is($disposition->('/dl/a.txt', '&basename=Q3%20r%C3%A9port%2B.txt'), q(attachment; filename="Q3 report+.txt"; filename*=UTF-8''Q3%20r%C3%A9port+.txt), 'basename');
is($disposition->('/dl/a.txt', '&basename=a+b.txt'), 'attachment; filename="a b.txt"', 'basename: form-decoded');
is($disposition->('/dl/a.txt', '&basename=..%2F..%2Fetc%2Fpasswd'), 'attachment; filename="passwd"', 'basename: without directories');
like($disposition->('/dl/a.txt', '&basename=a%22%3B%20filename%3D%22b.txt'), qr/^attachment; filename="a(?:[^"\\]|\\.)*b\.txt"(?:;|$)/, 'basename: quoted');
is($disposition->('/dl/a.txt', '&attachment=0'), '', 'attachment=0');
is($disposition->('/dl/a.txt', '&attachment=0&basename=b.txt'), 'inline; filename="b.txt"', 'attachment=0 with a name');
is($disposition->('/shown/a.txt'), 'inline; filename="conf.txt"', 'without claims: as configured');
is($disposition->('/shown/a.txt', '&attachment=1'), 'attachment; filename="conf.txt"', 'attachment=1 wins over nginx.conf');
is($disposition->('/shown/a.txt', '&basename=link.txt'), 'inline; filename="link.txt"', 'basename wins over nginx.conf');
is(header(fetch(dl('/dl/a.txt', '&basename=a.pdf&attachment=1')), 'X-Grant'), 'signed', 'and it is signed');
my $r = fetch(dl('/dl/a.txt', '&basename=b.txt'), 'Range: bytes=0-1');
is("$r->{status} " . header($r, 'Content-Disposition'), '206 attachment; filename="b.txt"', 'of a range');
is(header(fetch('HEAD ' . dl('/dl/a.txt', '&basename=b.txt')), 'Content-Disposition'), 'attachment; filename="b.txt"', 'HEAD');
is($disposition->('/asked/silent', '&basename=link.txt'), 'attachment; filename="link.txt"', 'with an app that says nothing: the link');
is($disposition->('/asked/named', '&basename=link.txt'), 'attachment; filename="grant.txt"', 'an app that names the file wins');
is($disposition->('/asked/named', '&basename=link.txt&attachment=0'), 'inline; filename="grant.txt"', 'the link has its say where the grant has none');
is($disposition->('/asked/shown', '&basename=link.txt&attachment=1'), 'inline; filename="link.txt"', 'and the other way round');
is($disposition->('/asked/header', '&basename=link.txt&attachment=1'), 'x', 'an app that says all of it');
# a grant that is remembered is nobody's link
for my $name ('', 'one.txt', 'two.txt', '') {
    is($disposition->('/cached/silent', $name && "&basename=$name"), 'attachment; filename="' . ($name || 'a.txt') . '"', "download_cache: '$name'");
    is($disposition->('/cached/silent', "&attachment=0&basename=$name"), qq(inline; filename="$name"), "download_cache: '$name', shown") if $name;
}
is(scalar(() = notes() =~ /asked silent/g), 2, 'download_cache: and the app was asked once');
# whatever the view
for my $view (qw(path by http virtual)) {
    is($disposition->("/$view/a.txt", '&f=a.txt&basename=link.txt'), 'attachment; filename="link.txt"', "$view: basename");
    is($disposition->("/$view/a.txt", '&f=a.txt&basename=link.txt&attachment=0'), 'inline; filename="link.txt"', "$view: attachment=0");
}
# $download_basename, and a type by the name
$r = fetch(dl('/dl/a.txt', '&basename=link.html'));
is(header($r, 'X-Basename') . ' ' . header($r, 'Content-Type'), 'link.html text/html', '$download_basename and the type');
# a prefix: every file has the name
$r = fetch(prefix_link($key, '/dl/', '/dl/b.txt', 'expires=' . soon() . '&basename=all.txt'));
is("$r->{body}" . header($r, 'Content-Disposition'), qq(the other\nattachment; filename="all.txt"), 'with a prefix');
# not of a link that is refused
for (dl('/dl/a.txt', '&basename=b.txt') . 'x', dl('/dl/a.txt', '&basename=b.txt&method=HEAD'), dl('/dl/a.txt', '&basename=b%0Ac.txt')) {
    $r = fetch($_);
    is("$r->{status} " . header($r, 'Content-Disposition'), '403 ', 'a refused link names nothing');
}
my $malformed = sub { is(ask(dl('/dl/a.txt', "&$_[0]")), "403 bad_signature: $_[1]", $_[0]) };
$malformed->("basename=$_", 'basename is not one line of UTF-8') for '%0A', 'a%0D%0AX:%20y', '%00', '%FF', 'a%';
$malformed->("attachment=$_", 'attachment is neither 1 nor 0') for qw(true yes 2 01 on);
$malformed->("limit_rate=$_", 'limit_rate is no number of bytes') for qw(1k -1 01 9223372036854775808 1.5);
$malformed->("$_=", 'a claim is empty') for qw(basename attachment limit_rate method address);
$malformed->("$_=1&$_=1", 'a claim comes twice') for qw(basename attachment limit_rate not_before);
# rates: 60,000 bytes at 40,000 a second take a while
make_file('files/large.txt', 'x' x 60_000);
my $took = sub { my $start = time; my $r = fetch(dl(@_)); is($r->{status} . ' ' . length $r->{body}, '200 60000', "$_[0] " . ($_[1] // '')); time - $start };
cmp_ok($took->('/dl/large.txt', '&limit_rate=40000'), '>', 0.4, 'limit_rate');
cmp_ok($took->('/slow/large.txt', '&limit_rate=0'), '<', 0.4, 'limit_rate=0 lifts that of the location');
cmp_ok($took->('/slow/large.txt', '&limit_rate=9223372036854775807'), '<', 0.4, 'limit_rate, very large');
cmp_ok($took->('/dl/large.txt'), '<', 0.4, 'without one');
cmp_ok($took->('/by/large.txt', '&limit_rate=40000'), '>', 0.4, 'limit_rate, by another location');



=== two keys in a file, two files
--- user_files eval
[['../conf/one', "first"], ['../conf/sub/two', "second\nthird\n"]]
--- config
location /files/dl/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=one key_file=sub/two key_file=$TEST_NGINX_SERVER_ROOT/conf/keys; }
location /files/media/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature django key_file=one key_file=sub/two; }
location /files/old/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature secure-link key_file=sub/two key_file=one "value=$arg_expires$uri "; }
--- story
for my $k ($key, $other) {
    is(ask(hmac_link($k, '/dl/a.txt', 'expires=' . soon())), '200 signed', 'hmac-sha256: both keys of a file');
    is(ask(django_link($k, '/media/a.txt')), '200 signed', 'django: both keys of a file');
    is(ask(secure_link($k, '/old/a.txt', soon())), '200 signed', 'secure-link: both keys of a file');
}
for my $k (qw(first second third)) {
    is(ask(hmac_link($k, '/files/dl/a.txt', 'expires=' . soon())), '200 signed', "hmac-sha256: the $k of two files");
    is(ask(django_link($k, '/files/media/a.txt')), '200 signed', "django: the $k of two files");
    is(ask(secure_link($k, '/files/old/a.txt', soon())), '200 signed', "secure-link: the $k of two files");
    is(ask(hmac_link($k, '/dl/a.txt', 'expires=' . soon())), $bad, "hmac-sha256: the $k is of another location");
}
is(ask(hmac_link($key, '/files/dl/a.txt', 'expires=' . soon())), '200 signed', 'by an absolute path');
for my $k ($key, $other, '', 'firs', 'first ', "first\n", "first\r\n", "second\nthird", 'First', "$key\r", "$key\0") {
    is(ask(django_link($k, '/files/media/a.txt')), $bad, 'django: none of the keys');
    is(ask(secure_link($k, '/files/old/a.txt', soon())), $bad, 'secure-link: none of the keys');
    is(ask(hmac_link($k, '/dl/a.txt', 'expires=' . soon())), $bad, 'hmac-sha256: none of the keys') unless $k eq $key || $k eq $other || $k eq "$key\0";
}



=== keys of any length
--- user_files eval
[['../conf/long', 'k' x 65_536], ['../conf/many', CORE::join("\n", map { "key number $_" } 1 .. 1000)], ['../conf/odd', "\xff\xfe\x01\nwith space in\ndGVzdA==\n"]]
--- config
location /long/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=long; }
location /many/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=many; }
location /odd/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=odd; }
location /odd-md5/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature secure-link key_file=long "value=$arg_expires$uri "; }
--- story
my $query = 'expires=' . soon();
is(ask(hmac_link('k' x 65_536, '/long/a.txt', $query)), '200 signed', 'a key of 64k');
is(ask(hmac_link('k' x 65_535, '/long/a.txt', $query)), $bad, 'and not a shorter one');
is(ask(secure_link('k' x 65_536, '/odd-md5/a.txt', soon())), '200 signed', 'secure-link: a key of 64k');
is(ask(hmac_link("key number $_", '/many/a.txt', $query)), '200 signed', "key number $_ of a thousand") for 1, 500, 1000;
is(ask(hmac_link($_, '/odd/a.txt', $query)), '200 signed', 'bytes are bytes') for "\xff\xfe\x01", 'with space in', 'dGVzdA==';
is(ask(hmac_link('test', '/odd/a.txt', $query)), $bad, 'and not decoded');



=== a key is retired
--- story
my $file = servroot() . '/conf/keys';
my %links = (retired => [hmac_link($other, '/dl/a.txt', 'expires=' . soon()), django_link($other, '/media/a.txt'), secure_link($other, '/old/a.txt', soon())],
    kept => [each_scheme('a.txt')],
    new => [hmac_link('brand new', '/dl/a.txt', 'expires=' . soon()), django_link('brand new', '/media/a.txt'), secure_link('brand new', '/old/a.txt', soon())]);
my $are = sub { my ($which, $fate) = @_; is(ask($_), $fate, "$which, of " . (/(\w+)/)[0]) for @{$links{$which}} };
$are->(retired => '200 signed');
$are->(new => $bad);
make_file($file, "brand new\n$key\n");
$are->(retired => '200 signed');
$are->(new => $bad);
ok(reload() && wait_for(sub { workers_of(master()) == 1 }), 'reload, and the old worker is gone');
$are->(retired => $bad);
$are->(new => '200 signed');
$are->(kept => '200 signed');
# a mistake keeps what there is
make_file($file, "brand new \n$key\n");
kill 'HUP', master();
ok(wait_for(sub { slurp(servroot() . '/logs/error.log') =~ /\[emerg\].*line 1 of the key file begins or ends with a space/ }), 'a key file with a mistake is refused');
$are->(kept => '200 signed');
$are->(new => '200 signed');
unlink $file;
kill 'HUP', master();
ok(wait_for(sub { slurp(servroot() . '/logs/error.log') =~ /\[emerg\].*cannot be read: No such file/ }), 'one that is missing, too');
$are->(kept => '200 signed');
$are->(retired => $bad);
--- error_log
[emerg]
line 1 of the key file begins or ends with a space or a tab
cannot be read: No such file or directory



=== a key file that may not be read: nginx does not start
--- story
my ($dir, $conf) = (servroot(), servroot() . '/conf/nginx.conf');
my ($module) = slurp($conf) =~ m{^load_module (\S+);}m;
chmod 0755, $dir, "$dir/conf" or die $!;
# root may read all
my ($user, $group) = $> ? ($>, $) + 0) : (getpwnam 'nobody')[2, 3];
my $says_of = sub {
    chmod shift, "$dir/conf/keys" or die $!;
    my $pid = open(my $says, '-|') // die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        $) = "$group $group" unless $>;
        POSIX::setgid($group);
        POSIX::setuid($user);
        exec($ENV{TEST_NGINX_BINARY} || 'nginx', '-t', '-e', '/dev/stderr', '-p', "$dir/", '-c', $conf) or POSIX::_exit(1);
    }
    local $/;
    return scalar(<$says>);
};
SKIP: {
    skip("the user $user cannot load the module", 1) if $says_of->(0644) =~ /\Q$module\E.*Permission denied/;
    like($says_of->(0), qr/\[emerg\].*the key file ".*keys" cannot be read: Permission denied/, 'and says why');
}



=== max_age
--- config
location /dl60/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys max_age=1m; }
location /old60/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature secure-link key_file=keys max_age=60s "value=$arg_expires$uri "; }
location /media60/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature django key_file=keys max_age=60; }
location /media-day/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature django key_file=keys max_age=1d; }
--- story
my $now = int(time);
my $too_long = '403 bad_signature: it is valid for longer than is allowed here';
for ([-1, $expired], [30, '200 signed'], [59, '200 signed'], [65, $too_long], [10 ** 9, $too_long]) {
    my ($ahead, $fate) = @$_;
    is(ask(hmac_link($key, '/dl60/a.txt', 'expires=' . ($now + $ahead))), $fate, "hmac-sha256: $ahead s ahead");
    is(ask(secure_link($key, '/old60/a.txt', $now + $ahead)), $fate, "secure-link: $ahead s ahead");
}
is(ask(hmac_link($key, '/dl60/a.txt', 'expires=9223372036854775807')), $too_long, 'hmac-sha256: as far ahead as can be');
is(ask(secure_link($key, '/old60/a.txt', '9223372036854775807')), $too_long, 'secure-link: as far ahead as can be');
for ([0, '200 signed'], [50, '200 signed'], [65, $expired], [10 ** 6, $expired], [-1000, '200 signed'], [$now, $expired]) {
    my ($ago, $fate) = @$_;
    is(ask(django_link($key, '/media60/a.txt', $now - $ago)), $fate, "django: made $ago s ago");
}
is(ask(django_link($key, '/media-day/a.txt', $now - $_->[0])), $_->[1], "django: made $_->[0] s ago, for a day") for [86_000, '200 signed'], [86_500, $expired];
is(ask(django_link($key, '/media/a.txt', 0)), '200 signed', 'django: without max_age, as old as can be');
is(ask(django_link($key, '/media60/a.txt', $now - 65) =~ s/....$/AAAA/r), $bad, 'django: forged, and expired');



=== arg=
--- config
location /dls/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys arg=s; }
location /medias/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature django key_file=keys arg=X-Amz-Signature.~; }
location /olds/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature secure-link key_file=keys arg=st "value=$arg_expires$uri "; }
location /dlx/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature django key_file=keys arg=expires; }
--- story
my $query = 'expires=' . soon();
is(ask(hmac_link($key, '/dls/a.txt', $query, 's')), '200 signed', 'hmac-sha256: s');
is(ask(hmac_link($key, '/dls/a.txt', $query)), $unsigned, 'hmac-sha256: signature is not it');
is(ask(hmac_link($key, '/dls/a.txt', "$query&signature=x", 's')), '200 signed', 'hmac-sha256: and may be anything');
is(ask(hmac_link($key, '/dls/a.txt', $query, 'S')), $unsigned, 'hmac-sha256: S');
is(ask(django_link($key, '/medias/a.txt', undef, 'X-Amz-Signature.~')), '200 signed', 'django');
is(ask(django_link($key, '/medias/a.txt')), $unsigned, 'django: X-Signature is not it');
is(ask(django_link($key, '/dlx/a.txt', undef, 'expires')), '200 signed', 'django: expires means nothing else there');
is(ask(secure_link($key, '/olds/a.txt', soon()) =~ s/md5=/st=/r), '200 signed', 'secure-link: st');
is(ask(secure_link($key, '/olds/a.txt', soon())), $unsigned, 'secure-link: md5 is not it');



=== secure-link and nginx's own secure_link: side by side
--- skip_eval
1: `$Test::Nginx::Socket::Nginx -V 2>&1` !~ /http_secure_link_module/
--- config
location /both/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature secure-link key_file=keys; }
location /uri/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature secure-link key_file=keys "value=$arg_expires$uri "; }
location /host/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature secure-link key_file=keys "value=$http_host $arg_u ${arg_expires}$uri|" arg=sig; }
location ~ ^/nginx(?<rest>/both/.*) {
    secure_link $arg_md5,$arg_expires;
    secure_link_md5 "$secure_link_expires$rest$remote_addr a key of 32 bytes, or even more?";
    if ($secure_link = "") { return 403; }
    if ($secure_link = "0") { return 410; }
    return 200 good;
}
location ~ ^/nginx(?<rest>/uri/.*) {
    secure_link $arg_md5,$arg_expires;
    secure_link_md5 "$secure_link_expires$rest a key of 32 bytes, or even more?";
    if ($secure_link = "") { return 403; }
    if ($secure_link = "0") { return 410; }
    return 200 good;
}
location ~ ^/nginx(?<rest>/host/.*) {
    secure_link $arg_sig,$arg_expires;
    secure_link_md5 "$http_host $arg_u $arg_expires$rest|a key of 32 bytes, or even more?";
    if ($secure_link = "") { return 403; }
    if ($secure_link = "0") { return 410; }
    return 200 good;
}
--- story
# 200, 403 or 410 of nginx; of ours 200, bad_signature or unsigned, link_expired
my %same = (200 => '200', 403 => '403 (?:bad_signature|unsigned)', 410 => '403 link_expired');
my $same = sub {
    my ($link, $expected, @lines) = @_;
    my $theirs = fetch("/nginx$link", @lines)->{status};
    is($theirs, $expected, "nginx: $link");
    like(ask($link, @lines), qr/^$same{$theirs}\b/, "so are we: $link");
};
my ($soon, $past) = (soon(), int(time) - 10);
my $both = sub { my ($path, $expires, $shown) = @_; secure_link($key, "/both/" . ($shown // $path), $expires, "$expires/both/${path}127.0.0.1 ") };
make_file("files/$_", "x\n") for 'a b.txt', '100%.txt', "\xc3\xa9.txt";
for my $name ('a.txt', 'a b.txt', '100%.txt', "\xc3\xa9.txt", 'sub/c.txt') {
    $same->($both->($name, $soon, escaped($name)), 200);
    $same->($both->($name, $past, escaped($name)), 410);
    $same->($both->('other.txt', $soon, escaped($name)), 403);
}
my $good = $both->('a.txt', $soon);
$same->($good =~ s/&/==&/r, 200);
$same->($good =~ s/md5/MD5/r =~ s/expires/eXpires/r, 200);
$same->("$good&x=1", 200);
$same->($good =~ s/(md5=[^&]*)&(.*)/$2&$1/r, 200);
$same->($good =~ s/md5=./md5=/r, 403);
$same->($good =~ s/md5=[^&]*&//r, 403);
$same->($good =~ s/md5=[^&]*/md5=/r, 403);
$same->($good =~ s/&expires=.*//r, 403);
$same->($good =~ s/expires=.*/expires=/r, 403);
$same->($good =~ s/expires=.*/expires=$past/r, 403);
$same->($good =~ s/expires=.*/expires=x/r, 403);
$same->($good =~ s/\?.*//r, 403);
$same->(secure_link('another key', '/both/a.txt', $soon, "$soon/both/a.txt127.0.0.1 "), 403);
$same->($both->('a.txt', '99999999999999999999'), 403);
$same->($both->('a.txt', "-$soon"), 403);
my ($code) = $good =~ /md5=([^&]*)/;
$same->($good =~ s/md5=[^&]*/md5=$_/r, 403) for flips($code);
$same->(secure_link($key, '/uri/a.txt', $soon), 200);
$same->(secure_link($key, '/uri/a.txt', $past), 410);
$same->($good =~ s/both/uri/r, 403);
for my $u ('', 'me', 'a%20b') {
    my $link = secure_link($key, '/host/a.txt', $soon, "example.org $u $soon/host/a.txt|") =~ s/md5=/sig=/r . "&u=$u";
    $same->($link, 200, 'Host: example.org');
    $same->($link, 403, 'Host: example.com');
    $same->("$link!", 403, 'Host: example.org');
}
# where we are the stricter: these nginx takes
for ([$good =~ s/\?/?md5=$code&/r, 'twice'], [$both->('a.txt', "0$soon"), 'a zero before'], ["$good&expires=1", 'expires twice']) {
    is(fetch("/nginx$_->[0]")->{status}, 200, "nginx: $_->[1]");
    like(ask($_->[0]), qr/^403 bad_signature/, "not us: $_->[1]");
}



=== value: variables of all kinds
--- config
set $salt pepper;
location /v/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature secure-link key_file=keys "value=$arg_expires $salt $request_method $arg_user $cookie_c $http_x|"; }
location ~ ^/re/(?<name>[a-z]+)\.txt$ { alias $TEST_NGINX_SERVER_ROOT/html/files/$name.txt; download_signature secure-link key_file=keys "value=$name,$arg_expires,$1 "; }
location /only/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature secure-link key_file=keys value=$arg_expires; }
--- story
my $soon = soon();
my @lines = ('Cookie: b=1; c=crumb', 'X: head');
my $link = secure_link($key, '/v/a.txt', $soon, "$soon pepper GET me crumb head|") . '&user=me';
is(ask($link, @lines), '200 signed', 'all is as it should be');
is(ask("HEAD $link", @lines), $bad, 'another method');
is(ask($link, $lines[0]), $bad, 'without the header');
is(ask($link, $lines[1]), $bad, 'without the cookie');
is(ask("${link}2", @lines), $bad, 'another argument');
is(ask(secure_link($key, '/v/a.txt', $soon, "$soon pepper GET   |")), '200 signed', 'empty ones');
is(ask(secure_link($key, '/re/a.txt', $soon, "a,$soon,a ")), '200 signed', 'captures');
is(ask(secure_link($key, '/re/a.txt', $soon, "a,$soon,a ") =~ s/a\.txt/b.txt/r), $bad, 'other captures');
is(ask(secure_link($key, '/only/a.txt', $soon, $soon)), '200 signed', 'the expiry alone');
is(ask(secure_link($key, '/only/a.txt', $soon, $soon) =~ s/a\.txt/b.txt/r), '200 signed', 'then it is good for all paths, as it says');



=== what admins and clients are told
--- config
location /page/ { download storage files; download_signature hmac-sha256 key_file=keys; error_page 403 /denied.html; error_page 404 /denied.html; }
location = /denied.html { return 200 "denied: $download_failure $download_view $download_grant\n"; }
location /login/ { download storage files; download_signature hmac-sha256 key_file=keys; error_page 403 http://example.org/login?why=$download_failure; }
location /named/ { download storage files; download_signature hmac-sha256 key_file=keys; error_page 403 = @named; }
location @named { return 410 "named: $download_failure\n"; }
location /plain/ { proxy_pass http://app; download_signature hmac-sha256 key_file=keys; error_page 403 /denied.html; }
--- story
granting_app();
my $past = 'expires=1';
for my $where (qw(page plain)) {
    my $view = $where eq 'page' ? 'storage' : 'signed';
    for (["/$where/a.txt", 'unsigned'], [dl("/$where/a.txt") . 'x', 'bad_signature'], [hmac_link($key, "/$where/a.txt", $past), 'link_expired'], [dl("/$where/a.txt", '&not_before=' . soon()), 'link_not_yet']) {
        my $r = fetch($_->[0]);
        is("$r->{status} $r->{body}", "403 denied: $_->[1] $view none\n", "/$where/: $_->[1] goes through error_page");
        is(header($r, 'X-Failure'), $_->[1], "/$where/: $_->[1] by add_header always");
    }
    is(ask(dl("/$where/a.txt")), '200 signed', "/$where/: a good one does not");
}
is(fetch(dl('/page/none.txt'))->{body}, "denied: missing storage signed\n", 'good, but there is no such file');
my $r = fetch('/login/a.txt');
is("$r->{status} " . header($r, 'Location'), '302 http://example.org/login?why=unsigned', 'a redirect');
is(fetch('/named/a.txt')->{body}, "named: unsigned\n", 'a named location');
# a page of its own nginx has
$r = fetch('/dl/a.txt');
like($r->{body}, qr/403 Forbidden/, "nginx's page");
is(header($r, $_), '', "and nothing of the file: $_") for qw(ETag Last-Modified Content-Disposition Accept-Ranges);
is(notes(), "asked /plain/a.txt?" . (notes() =~ /\?(.*)/)[0] . "\n", 'the app has been asked once') or diag(notes());
# who may know that a file is there? Not who has no link.
is(ask('/dl/none.txt'), $unsigned, 'a file that is not there, unsigned');
is(ask('/dl/'), $unsigned, 'a folder, unsigned');
is(ask('/dl/sub'), $unsigned, 'another folder, unsigned');
my @log = grep { / download / } split /^/, slurp(servroot() . '/logs/error.log');
is(scalar(grep { !/\[info\]/ } grep { !/missing/ } @log), 0, 'logged as info') or diag(@log);
cmp_ok(scalar @log, '>=', 12, 'once each');
--- no_error_log eval
["a key of 32", "django-insecure", "[warn]"]



=== a missing link is not more to the log than info: level notice
--- log_level: notice
--- story
is(fetch('/dl/a.txt')->{status}, 403, 'refused');
is(fetch(dl('/dl/a.txt') . 'x')->{status}, 403, 'refused');
--- no_error_log eval
["unsigned", "bad_signature", "a key of 32"]



=== keys are not even in a debug log
--- log_level: debug
--- story
for my $link (each_scheme('a.txt')) {
    is(fetch($link)->{status}, 200, 'good');
    is(fetch($link =~ s/\?.*//r)->{status}, 403, 'unsigned');
    is(fetch($link =~ s/=...../=AAAAA/r)->{status}, 403, 'bad');
}
my $log = slurp(servroot() . '/logs/error.log');
my $hex = unpack 'H*', $key;
unlike($log, qr/\Q$key\E|\Q$other\E|$hex/i, 'no key in the log');
unlike($log, qr/\Q@{[substr base64url($key), 0, 40]}\E/, 'nor in base64');
--- no_error_log eval
["a key of 32", "django-insecure"]



=== each view: the link is looked at first
--- http_config
download_storage inner location=/inner/;
download_storage remote url=http://app/remote/ via=/fetch/;
--- config
location /object/ { download object /_ask$uri; download_signature hmac-sha256 key_file=keys; }
location /_ask/ { internal; proxy_pass http://app; }
location /path/ { download path $TEST_NGINX_SERVER_ROOT/html/files/$arg_f; download_signature hmac-sha256 key_file=keys; }
location /inner/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
location /by/ { download storage inner; download_signature hmac-sha256 key_file=keys; }
location /http/ { download http http://app/remote/$arg_f; download_signature hmac-sha256 key_file=keys; }
location /fetch/ { internal; proxy_pass $download_url; }
location /virtual/ { download virtual /made/up; download_signature hmac-sha256 key_file=keys; }
location /made/ { internal; proxy_pass http://app; }
location /made-signed/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; }
location /twice/ { download virtual /made-signed/a.txt; download_signature hmac-sha256 key_file=keys; }
--- story
granting_app();
my %asks = (object => '/_ask/object/a.txt', http => '/remote/a.txt', virtual => '/made/up');
for my $view (qw(object path by http virtual)) {
    my $link = dl("/$view/a.txt", '&f=a.txt');
    for (["/$view/a.txt?f=a.txt", $unsigned], [$link . 'x', $bad], ["$link&x=1", '403 bad_signature: the signature must be the last argument of several'],
        [hmac_link($key, "/$view/a.txt", 'f=a.txt&expires=1'), $expired], [dl("/$view/a.txt", '&f=a.txt&not_before=' . soon()), $not_yet],
        [$link =~ s/f=a/f=b/r, $bad]) {
        is(ask($_->[0]), $_->[1], "$view: refused");
        is(ask("HEAD $_->[0]"), $_->[1], "$view: HEAD: refused");
    }
    is(notes(), '', "$view: nobody was asked");
    my $r = fetch($link);
    is("$r->{status} " . header($r, 'X-Grant'), '200 ' . ($view eq 'object' ? 'asked' : 'signed'), "$view: good");
    like($r->{body}, $view =~ /http|virtual/ ? qr/^of the app: $asks{$view}/ : qr/^0123456789\n$/, "$view: its bytes");
    like(notes(), qr/^asked \Q$asks{$view}\E(?:\?.*)?$/m, "$view: now somebody is asked") if $asks{$view};
    unlink servroot() . '/html/notes';
}
# a location that is reached by another one looks for itself; of ours only links with a prefix are good there
is(ask(dl('/twice/a.txt')) =~ s/^(\d+) .*/$1/r, 404, 'an inner location that asks for a link of its own');
is(ask('/made-signed/a.txt') =~ s/ .*//r, 404, 'which is internal');



=== object: the link and the app have to agree
--- config
location /object/ { download object /_ask$uri?$args; download_signature hmac-sha256 key_file=keys; }
location /_ask/ { internal; proxy_pass http://app; }
location /round/ { download object /round/_ask$uri; download_signature hmac-sha256 key_file=keys; location /round/_ask/ { internal; proxy_pass http://app; } }
location /open/ { download object /open/_ask$uri; download_signature hmac-sha256 key_file=keys; location /open/_ask/ { internal; proxy_pass http://app; download_signature off; } }
--- story
app(app => sub {
    my ($uri) = $_[0] =~ /^\w+ (\S+)/;
    note($uri);
    return $uri =~ /no\.txt/ ? answer(403, "not for you\n") : $uri =~ /login/ ? answer(302, '', 'Location: /login') : grant('{"file":{"storage":"files","path":"a.txt"}}');
});
my $link = dl('/object/a.txt');
is(ask($link), '200 asked', 'both say yes');
is(notes(), '/_ask' . "$link\n", 'the app sees the link');
my $r = fetch(dl('/object/no.txt'));
is("$r->{status} $r->{body}", "403 not for you\n", 'the app says no');
is(header($r, 'X-Failure'), 'denied', 'it was the app');
is(fetch(dl('/object/login'))->{status}, 302, 'the app sends the client elsewhere');
# a nested location inherits the check, and a question is no signed link
is(ask(dl('/round/a.txt')) =~ s/ .*//r, 403, 'the asked location, where it is nested');
is(ask(dl('/open/a.txt')), '200 asked', 'and with download_signature off');
is(ask('/open/a.txt'), $unsigned, 'which is off there only');



=== without a view: whatever the location does
--- config
location /app/ { proxy_pass http://app; download_signature hmac-sha256 key_file=keys; }
location /alias/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; autoindex on; }
location /root/ { root $TEST_NGINX_SERVER_ROOT/html/rooted; index index.html; download_signature hmac-sha256 key_file=keys; }
location /return/ { return 200 returned; download_signature hmac-sha256 key_file=keys; }
location /off/ { download off; alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; }
location /empty/ { empty_gif; download_signature hmac-sha256 key_file=keys; }
location /intercept/ { proxy_pass http://app; download_intercept all; download_signature hmac-sha256 key_file=keys; }
location = /revoke { download_revoke; download_signature hmac-sha256 key_file=keys; }
--- http_config
download_cache_zone zone=z:64k;
--- user_files eval
[['rooted/root/index.html', "the index\n"], ['rooted/root/x.html', "x\n"]]
--- story
granting_app();
for my $where (qw(/app/a.txt /alias/a.txt /root/x.html /off/a.txt /empty/x /intercept/a.txt)) {
    my $link = dl($where);
    is(ask($where), $unsigned, "$where: unsigned");
    is(ask("HEAD $where"), $unsigned, "$where: HEAD: unsigned");
    is(ask("${link}x"), $bad, "$where: bad");
    is(ask(hmac_link($key, $where, 'expires=1')), $expired, "$where: expired");
    is(ask(dl($where, '&not_before=' . soon())), $not_yet, "$where: not yet");
    is(notes(), '', "$where: nobody was asked");
    is(ask($link), '200 signed', "$where: good");
    is(header(fetch($link), 'X-View'), 'signed', "$where: the view");
    is(header(fetch("${link}x"), 'X-View'), 'signed', "$where: the view of a bad one");
    unlink servroot() . '/html/notes';
}
# claims that say how a file is sent are for downloads
is(header(fetch(dl('/alias/a.txt', '&basename=b.txt&attachment=1')), 'Content-Disposition'), '', 'alias: basename says nothing');
is(ask(dl('/alias/a.txt', "&$_")) =~ s/:.*//r, '403 bad_signature', "alias: but is looked at: $_") for 'basename=%0A', 'attachment=x', 'limit_rate=x';
is(ask('/alias/a.txt', 'Range: bytes=0-1'), $unsigned, 'alias: a range, unsigned');
my $r = fetch(dl('/alias/a.txt'), 'Range: bytes=0-1');
is("$r->{status} $r->{body}", '206 01', 'alias: a range');
is(ask('/alias/'), $unsigned, 'autoindex: unsigned');
like(fetch(dl('/alias/'))->{body}, qr/a\.txt/, 'autoindex: signed');
is(ask('/alias/sub'), $unsigned, 'a folder without its slash: unsigned');
is(fetch(dl('/alias/sub'))->{status}, 301, 'a folder without its slash: nginx redirects');
# index is an internal redirect: the path that was signed is not the one that is served
is(ask('/root/'), $unsigned, 'index: unsigned');
is(ask(dl('/root/')), '403 bad_signature: the URI was rewritten', 'index: signed');
is(ask(prefix_link($key, '/root/', '/root/index.html', 'expires=' . soon())), '200 signed', 'index: by a prefix, in full');
# return runs long before a request is answered, as rewrite does
$r = fetch('/return/');
is("$r->{status} $r->{body}", '200 returned', 'return comes before the check');
# download_revoke
is(ask('POST /revoke?tag=x', 'Content-Length: 0'), $unsigned, 'download_revoke: unsigned');
$r = fetch('POST ' . hmac_link($key, '/revoke', 'tag=x&expires=' . soon()), 'Content-Length: 0');
is($r->{status}, 400, 'download_revoke: knows no argument but its own, those of a link neither');
is(ask('POST ' . hmac_link($key, '/revoke', 'tag=x&expires=' . soon()) . 'x', 'Content-Length: 0'), $bad, 'download_revoke: bad');



=== nested locations, and if blocks
--- config
location /a/ {
    alias $TEST_NGINX_SERVER_ROOT/html/files/;
    download_signature hmac-sha256 key_file=keys;
    location /a/sub/ { alias $TEST_NGINX_SERVER_ROOT/html/files/sub/; expires 1h; }
    location /a/open/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature off; location /a/open/still/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; } }
    location /a/django/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature django key_file=keys; }
    location /a/app/ { proxy_pass http://app; }
    location /a/view/ { download storage files; }
    location ~ ^/a/re/(.*) { alias $TEST_NGINX_SERVER_ROOT/html/files/$1; }
    location = /a/exact { alias $TEST_NGINX_SERVER_ROOT/html/files/a.txt; }
}
location /d/ {
    download storage files;
    download_signature hmac-sha256 key_file=keys;
    location /d/sub/ { expires 1h; download storage files; }
    location /d/app/ { proxy_pass http://app; }
    location /d/off/ { download off; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
    location /d/open/ { download_signature off; download storage files; }
}
location /if/ {
    alias $TEST_NGINX_SERVER_ROOT/html/files/;
    download_signature hmac-sha256 key_file=keys;
    if ($arg_x = 1) { expires 1h; }
    if ($arg_x = 2) { proxy_pass http://app; }
    if ($arg_x = 3) { rewrite ^ /if/b.txt break; }
    if ($arg_x = 4) { return 200 returned; }
}
location /ifd/ {
    download storage files;
    download_signature hmac-sha256 key_file=keys;
    if ($arg_x = 1) { expires 1h; }
    if ($arg_x = 2) { proxy_pass http://app; }
    if ($arg_x = 3) { download off; }
    if ($arg_x = 4) { download storage files b.txt; }
}
--- story
granting_app();
for my $path (qw(/a/a.txt /a/sub/c.txt /a/app/x /a/view/a.txt /a/re/a.txt /a/exact /d/a.txt /d/app/x /d/off/a.txt)) {
    is(ask($path), $unsigned, "$path: unsigned");
    is(ask(dl($path)), '200 signed', "$path: signed");
    is(ask(dl($path) . 'x'), $bad, "$path: bad");
}
is(ask('/d/sub/c.txt'), $unsigned, '/d/sub/: unsigned');
for my $path (qw(/a/open/a.txt /a/open/still/a.txt /d/open/a.txt)) {
    is(ask($path), '200 ' . ($path =~ m{^/d/} ? 'none' : ''), "$path: off");
    is(ask(dl($path) . 'x'), '200 ' . ($path =~ m{^/d/} ? 'none' : ''), "$path: what looks like a link is none");
}
is(ask(dl('/a/django/a.txt')), $unsigned, 'another scheme in a nested location');
is(ask(django_link($key, '/a/django/a.txt')), '200 signed', 'by its own links');
for my $where (qw(/if/ /ifd/)) {
    for my $x (1 .. 4) {
        if ($where eq '/if/' && $x == 4) {
            is(fetch('/if/a.txt?x=4')->{body}, 'returned', 'return in an if block comes before the check');
            next;
        }
        is(ask("${where}a.txt?x=$x"), $unsigned, "$where, if block $x: unsigned");
        is(ask(dl("${where}a.txt", "&x=$x") . 'x') =~ s/:.*//r, '403 bad_signature', "$where, if block $x: bad");
    }
}
is(ask(dl('/if/a.txt', '&x=1')), '200 signed', '/if/: signed');
is(ask(dl('/if/a.txt', '&x=2')), '200 signed', '/if/, proxy_pass: signed');
is(ask(dl('/if/a.txt', '&x=3')), '403 bad_signature: the URI was rewritten', '/if/, rewrite: signed, but not for that');
is(ask(dl("/ifd/a.txt", "&x=$_")), '200 signed', "/ifd/, if block $_: signed") for 1, 2, 4;



=== rewrites, try_files, error pages
--- config
location /last/ { rewrite ^/last/(.*) /dl/$1 last; }
location /last-media/ { rewrite ^/last-media/(.*) /media/$1 last; }
location /last-old/ { rewrite ^/last-old/(.*) /old/$1 last; }
location /break/ { rewrite ^/break/(.*) /files/$1 break; root $TEST_NGINX_SERVER_ROOT/html; download_signature hmac-sha256 key_file=keys; }
location /args/ { rewrite ^(/args/.*)$ $1?x=1 break; alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; }
location /try/ { root $TEST_NGINX_SERVER_ROOT/html/tried; try_files $uri $uri.html /dl/b.txt; download_signature hmac-sha256 key_file=keys; }
location /try-open/ { root $TEST_NGINX_SERVER_ROOT/html/tried; try_files $uri /dl/a.txt; }
location /try-query/ { root $TEST_NGINX_SERVER_ROOT/html/tried; try_files $uri /dl/a.txt?$args; }
location /try-named/ { root $TEST_NGINX_SERVER_ROOT/html/tried; try_files $uri @named; }
location @named { root $TEST_NGINX_SERVER_ROOT/html/tried; rewrite ^/try-named/(.*) /$1 break; proxy_pass http://app; download_signature hmac-sha256 key_file=keys; }
location /try-plain/ { root $TEST_NGINX_SERVER_ROOT/html/tried; try_files $uri @plain; }
location @plain { proxy_pass http://app; download_signature hmac-sha256 key_file=keys; }
location /page/ { root $TEST_NGINX_SERVER_ROOT/html/none; error_page 404 /dl/a.txt; }
location /own/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; error_page 403 /own/a.txt; }
location /own-200/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; error_page 403 =200 /own-200/a.txt; }
location /own-rec/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; recursive_error_pages on; error_page 403 =200 /own-rec/a.txt; }
location /accel/ { proxy_pass http://app; }
--- user_files eval
[['tried/try/a.txt', "tried\n"], ['tried/try/page.html', "page\n"]]
--- story
app(app => sub {
    my ($uri) = $_[0] =~ /^\w+ (\S+)/;
    note($uri);
    return $uri =~ m{^/accel(.*)} ? answer(200, '', "X-Accel-Redirect: $1") : answer(200, "of the app: $uri\n");
});
my $soon = soon();
my $rewritten = '403 bad_signature: the URI was rewritten';
# last: the new path counts, and of ours only links with a prefix are good
is(ask('/last/a.txt'), $unsigned, 'last: unsigned');
is(ask(dl('/last/a.txt')), $rewritten, 'last: signed for the old path');
is(ask(dl('/dl/a.txt') =~ s/dl/last/r), $rewritten, 'last: signed for the new path');
is(ask(prefix_link($key, '/dl/', '/last/a.txt', "expires=$soon")), '200 signed', 'last: by a prefix of the new path');
is(ask(prefix_link($key, '/last/', '/last/a.txt', "expires=$soon")), '403 bad_signature: the path is not below its prefix', 'last: by a prefix of the old path');
is(ask(django_link($key, '/media/a.txt') =~ s/^\/media/\/last-media/r), '200 signed', 'last: django, the new path');
is(ask(django_link($key, '/last-media/a.txt')), '403 bad_signature: it is signed for another path', 'last: django, the old path');
is(ask(secure_link($key, '/old/a.txt', $soon) =~ s/^\/old/\/last-old/r), '200 signed', 'last: secure-link, the new path');
is(ask(secure_link($key, '/last-old/a.txt', $soon)), $bad, 'last: secure-link, the old path');
is(ask('/break/a.txt'), $unsigned, 'break: unsigned');
is(ask(dl('/break/a.txt')), $rewritten, 'break: signed for the old path');
is(ask(prefix_link($key, '/files/', '/break/a.txt', "expires=$soon")), '200 signed', 'break: by a prefix of the new path');
is(ask(prefix_link($key, '/break/', '/break/a.txt', "expires=$soon")), '403 bad_signature: the path is not below its prefix', 'break: by a prefix of the old path');
is(ask(dl('/args/a.txt')) =~ s/:.*//r, '403 bad_signature', 'a rewrite of arguments alone is one as well');
# try_files comes after the check, and its last resort is a redirect
is(ask('/try/a.txt'), $unsigned, 'try_files: unsigned');
is(ask('/try/none'), $unsigned, 'try_files: unsigned, and not there');
is(fetch(dl('/try/a.txt'))->{body}, "tried\n", 'try_files: signed');
is(fetch(dl('/try/page'))->{body}, "page\n", 'try_files: signed, with an extension');
is(ask(dl('/try/none')) =~ s/:.*//r, '403 unsigned', 'try_files: the last resort needs a link of its own');
is(ask('/try-open/a.txt'), $unsigned, 'try_files into a signed location: unsigned');
is(ask(dl('/try-open/a.txt')), $unsigned, 'try_files into a signed location: the link is left behind');
is(ask(dl('/try-query/a.txt')), $rewritten, 'try_files into a signed location: the link goes along, but is for another path');
is(ask(dl('/dl/a.txt') =~ s/\/dl/\/try-query/r), $rewritten, 'try_files into a signed location: nor does that for the new path');
is(ask(prefix_link($key, '/dl/', '/try-query/a.txt', "expires=$soon")), '200 signed', 'try_files into a signed location: a prefix does');
is(ask('/try-named/a.txt') =~ s/:.*//r, '403 unsigned', 'try_files into a named location: unsigned');
is(ask(dl('/try-named/a.txt')), $rewritten, 'try_files into a named location that rewrites');
is(ask('/try-plain/a.txt'), $unsigned, 'try_files into a named location, as it is: unsigned');
is(ask(dl('/try-plain/a.txt')), '200 signed', 'try_files into a named location, as it is: signed');
# error pages
is(fetch('/page/a.txt')->{status}, 403, 'an error page in a signed location: not without a link');
unlike(fetch('/page/a.txt')->{body}, qr/0123/, 'an error page in a signed location: nor its bytes');
for my $where (qw(own own-200 own-rec)) {
    for my $link ("/$where/a.txt", "/$where/b.txt", dl("/$where/a.txt") . 'x', dl("/$where/b.txt", '&method=HEAD')) {
        my $r = fetch($link);
        cmp_ok($r->{status}, '>=', 400, "/$where/: its own error page: $link");
        unlike($r->{body}, qr/0123|the other/, "/$where/: its own error page: not its bytes");
    }
    is(ask(dl("/$where/a.txt")), '200 signed', "/$where/: signed");
}
# an app that names a signed location
is(ask("/accel/dl/a.txt"), $unsigned, 'X-Accel-Redirect into a signed location');
is(ask(prefix_link($key, '/dl/', '/accel/dl/a.txt', "expires=$soon")), '200 signed', 'X-Accel-Redirect into a signed location: with arguments');



=== subrequests
--- config
location /ssi/ { ssi on; alias $TEST_NGINX_SERVER_ROOT/html/pages/; }
location /signed-ssi/ { ssi on; alias $TEST_NGINX_SERVER_ROOT/html/pages/; download_signature hmac-sha256 key_file=keys; }
location /plain/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; }
location /plain-media/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature django key_file=keys; }
location /plain-old/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature secure-link key_file=keys "value=$arg_expires$uri "; }
location /auth/ { auth_request /check; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
location /auth-signed/ { auth_request /app; alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; }
location = /check { alias $TEST_NGINX_SERVER_ROOT/html/files/a.txt; download_signature django key_file=keys; }
location = /app { internal; proxy_pass http://app; }
location /mirrored/ { mirror /app; alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; }
--- story
granting_app();
my $soon = soon();
mkdir servroot() . '/html/pages';
my $include = sub { my ($where, $link) = @_; make_file('pages/x.html', qq([<!--# include virtual="$link" -->])); fetch($where) };
for my $where (qw(/dl/ /plain/)) {
    for ("${where}a.txt", dl("${where}a.txt") . 'x', hmac_link($key, "${where}a.txt", 'expires=1')) {
        my $r = $include->('/ssi/x.html', $_);
        is($r->{status}, 200, "SSI, $_: the page");
        unlike($r->{body}, qr/0123/, "SSI, $_: not the file");
    }
    unlike($include->('/ssi/x.html', dl("${where}a.txt"))->{body}, qr/0123/, "SSI, $where: a link of ours is for requests");
    is($include->('/ssi/x.html', prefix_link($key, $where, "${where}a.txt", "expires=$soon"))->{body}, "[0123456789\n]", "SSI, $where: a link with a prefix is good");
    # what the page was signed for is not for what it includes
    unlike($include->(dl('/signed-ssi/x.html'), "${where}a.txt")->{body}, qr/0123/, "SSI, $where: the link of the page does not help");
}
for (['/media/a.txt', django_link($key, '/media/a.txt')], ['/plain-media/a.txt', django_link($key, '/plain-media/a.txt')], ['/old/a.txt', secure_link($key, '/old/a.txt', $soon)], ['/plain-old/a.txt', secure_link($key, '/plain-old/a.txt', $soon)]) {
    my ($path, $link) = @$_;
    is($include->('/ssi/x.html', $link)->{body}, "[0123456789\n]", "SSI, $path: good");
    unlike($include->('/ssi/x.html', $path)->{body}, qr/0123/, "SSI, $path: unsigned");
    unlike($include->('/ssi/x.html', $link =~ s/=.../=AAA/r)->{body}, qr/0123/, "SSI, $path: bad");
}
is($include->(dl('/signed-ssi/x.html'), '/ready')->{body}, '[ready]', 'SSI: a signed page');
is(ask('/signed-ssi/x.html'), $unsigned, 'SSI: an unsigned one');
# auth_request: its subrequest has the client's arguments not, and is no link
is(fetch('/auth/a.txt')->{status}, 403, 'auth_request by a signed location');
# it comes before the check, mirror after it
unlink servroot() . '/html/notes';
is(ask('/auth-signed/a.txt'), $unsigned, 'auth_request, unsigned');
is(notes(), "asked /app\n", 'auth_request asks before the link is looked at');
is(ask(dl('/auth-signed/a.txt')), '200 signed', 'auth_request, signed');
unlink servroot() . '/html/notes';
is(ask('/mirrored/a.txt'), $unsigned, 'mirror, unsigned');
sleep 0.2;
is(notes(), '', 'mirror comes after the check');
is(ask(dl('/mirrored/a.txt')), '200 signed', 'mirror, signed');



=== slices and caches of a proxy
--- skip_eval
1: `$Test::Nginx::Socket::Nginx -V 2>&1` !~ /http_slice_module/
--- http_config
proxy_cache_path $TEST_NGINX_SERVER_ROOT/proxy_cache keys_zone=pc:1m;
server { listen unix:$TEST_NGINX_SERVER_ROOT/html/origin.sock; root $TEST_NGINX_SERVER_ROOT/html/files; }
--- config
location /sliced/ {
    slice 4k;
    proxy_cache pc;
    proxy_cache_key $uri$slice_range;
    proxy_set_header Range $slice_range;
    proxy_cache_valid 200 206 1h;
    proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/html/origin.sock:/;
    download_signature hmac-sha256 key_file=keys;
}
location /cached/ { proxy_cache pc; proxy_cache_valid 200 1h; proxy_cache_key $uri; proxy_pass http://app; download_signature hmac-sha256 key_file=keys; }
--- story
make_file('files/large.txt', join '', map { "line $_\n" } 1 .. 3000);
my $r = fetch(dl('/sliced/large.txt'));
is($r->{status}, 200, 'slice');
ok($r->{whole} && $r->{body} eq slurp(servroot() . '/html/files/large.txt'), 'all of the slices');
is(ask('/sliced/large.txt'), $unsigned, 'slice: unsigned, though it is in the cache');
app(app => sub { note('asked'); answer(200, 'from the app') });
is(fetch(dl('/cached/a.txt'))->{body}, 'from the app', 'proxy_cache');
is(fetch(dl('/cached/a.txt'))->{body}, 'from the app', 'proxy_cache: again');
is(notes(), "asked\n", 'proxy_cache: it was in the cache');
is(ask('/cached/a.txt'), $unsigned, 'proxy_cache: unsigned, though it is in the cache');
is(ask(dl('/cached/a.txt') . 'x'), $bad, 'proxy_cache: bad, though it is in the cache');



=== download_cache
--- http_config
download_cache_zone zone=z:64k;
--- config
location /object/ { download object /_ask$uri; download_signature hmac-sha256 key_file=keys; download_cache z; download_cache_key $uri; download_cache_valid 1m denied=1m; }
location /_ask/ { internal; proxy_pass http://app; }
--- story
app(app => sub { note('asked'); $_[0] =~ /no\.txt/ ? answer(403, 'no') : grant('{"file":{"storage":"files","path":"a.txt"}}') });
is(ask('/object/a.txt'), $unsigned, 'unsigned');
is(ask(dl('/object/a.txt')), '200 asked', 'signed, and asked');
is(ask(dl('/object/a.txt')), '200 cached', 'signed, and remembered');
is(ask(dl('/object/a.txt', '&x=1')), '200 cached', 'another link');
is(ask('/object/a.txt'), $unsigned, 'unsigned, though it is remembered');
is(ask(dl('/object/a.txt') . 'x'), $bad, 'bad, though it is remembered');
is(ask(hmac_link($key, '/object/a.txt', 'expires=1')), $expired, 'expired, though it is remembered');
is(fetch(dl('/object/no.txt'))->{status}, 403, 'denied') for 1, 2;
is(notes(), "asked\nasked\n", 'the app was asked twice');
is(ask('/object/no.txt'), $unsigned, 'a denial that is remembered is not told to who has no link');



=== satisfy, auth_basic, allow
--- user_files eval
[['../conf/users', "alice:{PLAIN}wonder\n"]]
--- config
location /any/ { satisfy any; auth_basic x; auth_basic_user_file users; deny all; alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; }
location /any-view/ { satisfy any; auth_basic x; auth_basic_user_file users; deny all; download storage files; download_signature hmac-sha256 key_file=keys; }
location /any-allow/ { satisfy any; auth_basic x; auth_basic_user_file users; allow all; alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; }
location /deny/ { deny all; alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; }
--- story
my $alice = 'Authorization: Basic ' . MIME::Base64::encode_base64('alice:wonder', '');
for my $where (qw(any any-view)) {
    is(fetch("/$where/a.txt")->{status}, 401, "/$where/: neither");
    is(fetch(dl("/$where/a.txt"))->{status}, 401, "/$where/: a link is no password, whatever satisfy says");
    is(ask("/$where/a.txt", $alice), $unsigned, "/$where/: a password is no link");
    is(ask(dl("/$where/a.txt"), $alice), '200 signed', "/$where/: both");
}
is(ask('/any-allow/a.txt'), $unsigned, 'allow is no link');
is(ask(dl('/any-allow/a.txt')), '200 signed', 'allow and a link');
is(fetch(dl('/deny/a.txt'))->{status}, 403, 'deny comes first');
is(header(fetch(dl('/deny/a.txt')), 'X-Failure'), '', 'deny comes first: it is not for the link');
--- error_log
access forbidden by rule



=== HTTP/1.0, pipelined, and many at once
--- story
my $link = dl('/dl/a.txt');
my $raw = raw("GET $link HTTP/1.0\r\n\r\n");
like($raw, qr/^HTTP\/1\.1 200 .*0123456789\n$/s, 'HTTP/1.0');
my $s = dial();
send_to($s, join '', map { GET($_, 'Connection: keep-alive') } ($link, '/dl/a.txt', "${link}x", django_link($key, '/media/a.txt')) x 5);
is(join(' ', map { response($s)->{status} } 1 .. 20), join(' ', (200, 403, 403, 200) x 5), 'pipelined');
is(join(' ', map { $_->{status} } burst(map { GET($_) } ($link, '/dl/a.txt', "${link}x", django_link($key, '/media/a.txt')) x 8)), join(' ', (200, 403, 403, 200) x 8), 'at once');



=== HTTP/2
--- skip_eval
1: `curl --version 2>/dev/null` !~ /\bHTTP2\b/ || `$Test::Nginx::Socket::Nginx -V 2>&1` !~ /http_v2_module/
--- suppress_stderr
--- http_config
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/html/h2.sock http2;
    location /dl/ { download storage files; download_signature hmac-sha256 key_file=keys; }
    location /plain/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; }
    location /media/ { download storage files; download_signature django key_file=keys; }
}
--- story
make_file('files/a b%.txt', "odd\n");
my $curl = sub { my $socket = servroot() . '/html/h2.sock'; `curl -s -m 10 --http2-prior-knowledge --path-as-is --unix-socket $socket -w '%{http_version} %{http_code}' 'http://localhost$_[0]'` };
for my $where ('/dl/', '/plain/') {
    is($curl->(dl("${where}a.txt")), "0123456789\n2 200", "HTTP/2: ${where}a.txt");
    is($curl->(dl("${where}a%20b%25.txt")), "odd\n2 200", "HTTP/2: $where, escaped");
    is($curl->(dl("${where}sub/../a.txt")), "0123456789\n2 200", "HTTP/2: $where, with dots");
    like($curl->($_), qr/2 403$/, "HTTP/2: $_") for "${where}a.txt", dl("${where}a.txt") . 'x', dl("${where}b.txt") =~ s/b\.txt/a.txt/r, dl("${where}sub/../a.txt") =~ s/sub\/\.\.\///r;
    is($curl->(prefix_link($key, $where, "${where}a.txt", 'expires=' . soon())), "0123456789\n2 200", "HTTP/2: $where, by a prefix");
}
is($curl->(django_link($key, '/media/a%20b%25.txt')), "odd\n2 200", 'HTTP/2: django');



=== files are not written without a link, either
--- skip_eval
1: `$Test::Nginx::Socket::Nginx -V 2>&1` !~ /http_dav_module/
--- config
location /dav/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; dav_methods PUT DELETE; download_signature hmac-sha256 key_file=keys; }
--- story
my $put = sub { fetch(GET("PUT $_[0]", 'Content-Length: 4', 'Expect: 100-continue') . 'data')->{status} };
is($put->('/dav/new.txt'), 403, 'PUT, unsigned');
is($put->(dl('/dav/new.txt', '&method=GET')), 403, 'PUT by a link for GET');
is($put->(dl('/dav/new.txt') =~ s/new/newer/r), 403, 'PUT by the link of another');
ok(!-e servroot() . '/html/files/new.txt', 'nothing is written');
is(ask('DELETE /dav/a.txt'), $unsigned, 'DELETE, unsigned');
ok(-e servroot() . '/html/files/a.txt', 'nothing is removed');
my $s = dial();
send_to($s, GET('PUT ' . dl('/dav/new.txt'), 'Content-Length: 4') . 'data');
is(response($s)->{status}, 201, 'PUT, signed');
is(slurp(servroot() . '/html/files/new.txt'), 'data', 'it is written');



=== an app's reference to a file, in a signed location
--- config
location /intercept/ { proxy_pass http://app; download_intercept x-accel-redirect; download_rule /protected/ files; download_signature hmac-sha256 key_file=keys; }
location /app-signed/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; download_signature hmac-sha256 key_file=keys; }
--- story
app(app => sub { my ($to) = $_[0] =~ /[?&]to=([^& ]*)/; note('asked'); answer(200, '', "X-Accel-Redirect: $to", 'Content-Type: text/plain') });
my $link = dl('/intercept/x', '&to=/protected/b.txt');
is(ask($link =~ s/&signature.*//r), $unsigned, 'unsigned');
is(ask($link =~ s/b\.txt/a.txt/r), $bad, 'of another file');
is(notes(), '', 'the app was not asked');
is(fetch($link)->{body}, "the other\n", 'signed');
is(ask($link), '200 asked', 'signed: it was the app that named the file');
# an internal location that asks for a link of its own
my $r = fetch(dl('/intercept/x', '&to=/app-signed/a.txt'));
is($r->{status}, 404, 'an internal location with a signature of its own: a denial there is a plain 404');
unlike($r->{body}, qr/0123/, 'not its bytes');



=== download_explain: a link that is refused tells why, and no signature
--- config
location /why/ { download storage files; download_signature hmac-sha256 key_file=keys; download_explain $why; }
--- http_config
map $http_x_why $why { default 0; sesame 1; }
--- story
my $link = dl('/why/a.txt');
my ($code) = $link =~ /signature=(.*)/;
for ([$link, 'good'], ['/why/a.txt', 'the link is not signed'], [substr($link, 0, -1), 'no key has signed it'], [hmac_link($key, '/why/a.txt', 'expires=1'), 'the link has expired']) {
    my ($target, $verdict) = @$_;
    my $r = fetch($target, 'X-Why: sesame');
    is($r->{status}, 200, "explained: $verdict");
    like($r->{body}, qr/\Q$verdict\E/, "explained: $verdict: so it says");
    unlike($r->{body}, qr/\Q@{[substr $code, 0, 20]}\E|\Q$key\E|0123456789/, "explained: $verdict: without signature, key or file");
    is(fetch($target)->{status}, $verdict eq 'good' ? 200 : 403, "not explained: $verdict");
}



=== try_files before a download, mirror before a download
--- config
location /tried/ { root $TEST_NGINX_SERVER_ROOT/html/pages; try_files $uri $uri.html =404; download storage files; download_signature hmac-sha256 key_file=keys; }
location /mirrored/ { mirror /copy; download storage files; download_signature hmac-sha256 key_file=keys; }
location = /copy { internal; proxy_pass http://app; }
location /else/ { root $TEST_NGINX_SERVER_ROOT/html/pages; try_files $uri @else; download storage files; download_signature hmac-sha256 key_file=keys; }
location @else { proxy_pass http://app; }
location /else-plain/ { root $TEST_NGINX_SERVER_ROOT/html/pages; try_files $uri @else; download_signature hmac-sha256 key_file=keys; }
--- user_files eval
[['pages/tried/page.html', 'decoy'], ['files/page.html', "the page\n"]]
--- story
granting_app();
is(ask('/tried/page'), $unsigned, 'try_files: unsigned');
is(ask('/tried/page.html'), $unsigned, 'try_files: unsigned, in full');
is(fetch(dl('/tried/page'))->{body}, "the page\n", 'try_files: a link to what is asked for opens what it is found as');
is(ask(dl('/tried/page.html') =~ s/\.html//r), $bad, 'try_files: a link to what it is found as, for what is asked for');
is(fetch(prefix_link($key, '/tried/', '/tried/page', 'expires=' . soon()))->{body}, "the page\n", 'try_files: a prefix');
# where there is no such file, who has no link is not told, nor led elsewhere
is(ask('/tried/none'), $unsigned, 'try_files: unsigned, and not there');
is(fetch(dl('/tried/none'))->{status}, 404, 'try_files: signed, and not there');
for my $where (qw(else-plain else)) {
    my $r = fetch("/$where/none");
    is($r->{status}, 403, "try_files, /$where/: unsigned: not to the last resort");
    unlike($r->{body}, qr/of the app/, "try_files, /$where/: unsigned: nothing of it");
    is(fetch(dl("/$where/none"))->{status}, 200, "try_files, /$where/: signed: to the last resort");
}
unlink servroot() . '/html/notes';
is(ask('/mirrored/a.txt'), $unsigned, 'mirror: unsigned');
sleep 0.3;
is(notes(), '', 'mirror: a request that is refused is not copied');
is(ask(dl('/mirrored/a.txt')), '200 signed', 'mirror: signed');
ok(wait_for(sub { notes() =~ /asked/ }), 'mirror: and copied');
