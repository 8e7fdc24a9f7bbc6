# vi:ft=
# download_revoke: what is forgotten, by whom it can be asked for, and that from then on nobody
# is served by it: in no worker, by no question on its way, and with cut=1 by no transfer.
#
# As in 085-cache.t, `story` is Perl that runs before the request of the block, and the app
# answers a question for NAME as says() tells it. revoke() gives the number that was forgotten.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use JSON::PP ();
use Time::HiRes qw(sleep time);
use Asked;
use Got qw(no_descriptor_more);
use Wire;

our $ten = '0123456789';
our $large = 24_000_000;    # more than sockets hold

master_on();
worker_connections(1024);
log_level('info');

add_block_preprocessor(sub {
    my $block = shift;
    workers($block->worker_processes // 2);
    # a large zone: tags and keys share slots, and none is to be taken for another here
    my $http = <<'END';
download_cache_zone zone=grants:128m;
server {
    listen 127.0.0.1:$TEST_NGINX_RAND_PORT_2 http2;
    download_cache grants; download_cache_key $uri $cookie_user; download_cache_valid 1m;
    location /dl/ { download object /_ask$uri; }
    location /_ask/ { internal; proxy_pass http://app; }
    location = /revoke { download_revoke; }
}
END
    my $options = $block->options // 'download_cache_valid 1m;';
    my $key = $block->key // '$uri $cookie_user';
    chomp $key;
    my $server = <<"END";
download_cache grants;
download_cache_key $key;
$options
add_header X-Grant \$download_grant always;
add_header X-Pid \$pid always;
add_header X-Failure \$download_failure always;
location = /revoke { download_revoke; }
location /dl/ { download object /_ask\$uri; }
location /other/ { download object /_ask\$uri; }
END
    prepare($block, http => $http, server => $server, names => '$ten, $large', files => [['files/ten.txt', $ten], ['files/page.txt', 'page']]);
});

# A grant for a file, with these tags; more of it as JSON.
sub tagged {
    my ($name, $tags, $more) = @_;
    my $cache = JSON::PP->new->encode({ ref $tags ? (tags => $tags) : (), defined $more ? (ttl => $more) : () });
    return grant(qq({"file":{"storage":"files","path":"$name"},"cache":$cache}));
}

# The answer to a POST to /revoke, with a form if there is one.
sub post {
    my ($args, $form, @lines) = @_;
    push @lines, 'Content-Type: application/x-www-form-urlencoded' if defined $form;
    push @lines, 'Content-Length: ' . length($form // '') unless grep { /^Transfer-Encoding:/i } @lines;
    return fetch(GET('POST /revoke' . (defined $args ? "?$args" : ''), @lines) . ($form // ''));
}

sub revoke {
    my $r = post(@_);
    my $json = eval { JSON::PP::decode_json($r->{body}) } // {};
    return $json->{revoked} // "$r->{status} $r->{body}";
}

# A file of so many bytes, all zero, which takes no time to write.
sub make_large {
    my ($name, $size) = @_;
    make_file("files/$name", '');
    truncate servroot() . "/html/files/$name", $size // $large or die "truncate: $!";
}

# A transfer that has begun, to a client that does not read on.
sub amid {
    my ($name, $user, @lines) = @_;
    my $s = dial(rcvbuf => 4096);
    send_to($s, GET("/$name", 'Cookie: user=' . ($user // 'ann'), @lines));
    until (${*$s}{wire_rest} =~ /\r\n\r\n/) { Wire::more($s) or last }
    return $s;
}

# Reads a transfer to its end: "whole", or "cut".
sub rest_of {
    my ($s, $size) = @_;
    my $r = response($s);
    return "$r->{status}" if $r->{status} != 200;
    my $whole = $r->{whole} && length $r->{body} == ($size // $large);
    return $whole ? 'whole' : $r->{whole} || length $r->{body} > ($size // $large) ? 'wrong' : 'cut';
}

# Requests until both workers have answered; the responses.
sub from_both {
    my ($name, @lines) = @_;
    my (@seen, %pids);
    for (1 .. 300) {
        push @seen, my $r = get($name, @lines);
        $pids{ field($r, 'X-Pid') }++;
        last if keys %pids == 2 && @seen >= 30;
    }
    is(scalar(keys %pids), 2, "$name: both workers answered");
    return @seen;
}

sub all_seen { my %n; $n{ seen($_) }++ for @_; return join ', ', sort keys %n }

# --- HTTP/2, by hand ---

sub frame { my ($type, $flags, $stream, $data) = @_; return pack('CnCCN', 0, length $data, $type, $flags, $stream) . $data }

sub h2_request {
    my ($stream, $method, $path, $flags) = @_;
    my $block = ($method eq 'POST' ? "\x83" : "\x82") . "\x86\x04" . pack('C', length $path) . $path . "\x01\x01a"
        . "\x0f\x11\x08user=ann";
    return frame(1, $flags // 5, $stream, $block);
}

sub h2_dial {
    my $port = (slurp(servroot() . '/conf/nginx.conf') =~ /listen 127\.0\.0\.1:(\d+) http2/)[0];
    my $s = dial(port => $port);
    send_to($s, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(4, 0, 0, '') . frame(8, 0, 0, pack 'N', 1 << 30));
    return $s;
}

# Frames, until one is what is wanted; notes in %$state what each stream got.
sub h2_until {
    my ($s, $state, $done, $seconds) = @_;
    my $end = time + ($seconds // 5);
    my $rest = \${*$s}{wire_rest};
    while (time < $end) {
        while (length $$rest >= 9) {
            my ($high, $low, $type, $flags, $stream) = unpack 'CnCCN', $$rest;
            my $length = $high * 65536 + $low;
            last if length $$rest < 9 + $length;
            my $data = substr substr($$rest, 0, 9 + $length, ''), 9;
            my $of = $state->{ $stream & 0x7fffffff } //= { bytes => 0, body => '' };
            if ($type == 0) { $of->{bytes} += $length; $of->{body} .= $data if length($of->{body} // '') < 1000 }
            $of->{end}++ if $type < 2 && $flags & 1;
            $of->{reset}++ if $type == 3;
            $state->{away}++ if $type == 7;
        }
        return 1 if $done->();
        IO::Select->new($s)->can_read(0.1) or next;
        sysread $s, $$rest, 65536, length $$rest or return $done->();
    }
    return 0;
}

no_long_string();
run_tests();

__DATA__

=== by a tag, several tags, and none that is known
--- story
says('dl/a', tagged('ten.txt', ['user:1', 'doc:1']));
says('dl/b', tagged('ten.txt', ['user:1', 'doc:2']));
says('dl/c', tagged('ten.txt', ['user:2', 'doc:1']));
says('dl/d', tagged('ten.txt', undef));
my @names = map { "dl/$_" } 'a' .. 'd';
my $held = sub { join '', map { seen(get($_)) =~ /cached/ ? substr $_, -1 : '-' } @names };
$held->();
is($held->(), 'abcd', 'all are remembered');
is(revoke('tag=nobody:1'), 0, 'an unknown tag');
is(revoke('tag=user'), 0, 'the beginning of a tag');
is(revoke('tag=user:1x'), 0, 'a tag and more');
is(revoke('tag=USER:1'), 0, 'a tag in other letters');
is($held->(), 'abcd', 'nothing is forgotten by these');
is(revoke('tag=user:1'), 2, 'a tag of two');
is($held->(), '--cd', 'these are asked for again');
is(revoke('tag=doc:1'), 2, 'a tag of two others');
is($held->(), '-b-d', 'which are asked for again');
is(revoke('tag=user:1&tag=doc:1'), 3, 'two tags: what has both counts once');
is($held->(), '---d', 'all with one of them');
is(revoke('tag=user:1&tag=user:1'), 2, 'a tag twice');
is($held->(), '--cd', '... is a tag');
is(revoke('tag=nobody&tag=doc:2&tag='), '400 {"error": "an argument is empty"}' . "\n", 'nothing of a bad request is carried out');
is($held->(), 'abcd', '... nothing');
is(revoke(join '&', map { "tag=none:$_" } 1 .. 300), 0, 'many tags');
is(revoke(join '&', (map { "tag=none:$_" } 1 .. 100), 'tag=user:1', 'tag=user:2'), 3, 'many tags, two of which are known');
is($held->(), '---d', 'forgotten');
--- error_log
download_revoke: tag=user:1 tag=doc:1: 3 forgotten



=== by a key, part by part
--- story
says($_, tagged('ten.txt', undef)) for qw(dl/a dl/b dl/ann);
for my $user (qw(ann bob)) { get($_, $user) for qw(dl/a dl/b) }
get('dl/ann', '/dl/ann');
is(revoke('key=/dl/a'), 0, 'a part is not the key');
is(revoke('key=ann&key=/dl/a'), 0, 'in another order');
is(revoke('key=/dl/a&key=ann&key=x'), 0, 'a part more');
is(revoke('key=/dl/aann'), 0, 'glued together');
is(revoke('key=/dl/&key=aann'), 0, 'divided elsewhere');
is(revoke('tag=/dl/a&tag=ann'), 0, 'a key is no tag');
is(seen(get('dl/a')), '200 cached', 'still there');
is(revoke('key=/dl/a&key=ann'), 1, 'the key');
is(seen(get('dl/a')), '200 asked', 'is forgotten');
is(seen(get('dl/a', 'bob')), '200 cached', 'another user');
is(seen(get('dl/b')), '200 cached', 'another URI');
is(revoke('key=%2Fdl%2Fa&key=b%6fb'), 1, 'with escapes');
is(revoke('k%65y=/dl/ann&key=/dl/ann'), 1, 'even in the name');
is(revoke('key=/dl/a&key=ann&key=/dl/b&key=ann'), 0, 'parts of two keys are no key');



=== a key counts in all locations that have it; a denial is forgotten by it
--- options
download_cache_valid 1m denied=1m;
--- key: $arg_id
--- story
says($_, tagged('ten.txt', undef)) for qw(dl/a other/a);
says('dl/no', answer(403));
get("$_?id=7") for qw(dl/a other/a);
is(seen(get("$_?id=7")), '200 cached', $_) for qw(dl/a other/a);
is(revoke('key=7'), 2, 'both are forgotten');
is(seen(get("$_?id=7")), '200 asked', "$_: asked again") for qw(dl/a other/a);
get('dl/no?id=8') for 1 .. 2;
is(calls('dl/no'), 1, 'a denial is remembered');
is(revoke('key=8'), 1, 'it is revoked');
says('dl/no', tagged('ten.txt', undef));
is(seen(get('dl/no?id=8')), '200 asked', 'and asked for again');



=== what has expired does not count, and what may yet serve does
--- options
download_cache_valid 1s;
--- config
location /stale/ { download object /_ask$uri; download_cache_use_stale 1h; }
--- story
says($_, tagged('ten.txt', ['t'])) for qw(dl/a dl/b stale/a);
get($_) for qw(dl/a dl/b stale/a);
sleep 1.1;
is(revoke('tag=t'), 1, 'two have expired, one may serve while the app is down');
says('stale/a', answer(500));
is(get('stale/a')->{status}, 502, 'it does not serve any more');
is(revoke('tag=t'), 0, 'there is nothing left');
--- error_log
app_error



=== what is not remembered does not count
--- story
says('dl/zero', tagged('ten.txt', ['t'], 0));
says('dl/a', tagged('ten.txt', ['t']));
get($_) for qw(dl/zero dl/zero dl/a);
fetch('/dl/a');
is(revoke('tag=t'), 1, 'only the one that is');



=== in all zones
--- http_config
download_cache_zone zone=second:1m;
--- config
location /second/ { download object /_ask$uri; download_cache second; }
--- story
says($_, tagged('ten.txt', ['t'])) for qw(dl/a second/a);
get($_) for qw(dl/a second/a);
is(revoke('tag=t'), 2, 'both');
is(seen(get($_)), '200 asked', "$_: asked again") for qw(dl/a second/a);



=== a form, a query, both
--- story
says("dl/$_", tagged('ten.txt', [$_])) for qw(a b c);
my $all = sub { get("dl/$_") for qw(a b c) };
$all->();
is(revoke(undef, 'tag=a'), 1, 'a form');
is(seen(get('dl/a')), '200 asked', 'forgotten');
is(revoke('tag=a', 'tag=b'), 2, 'a query and a form');
$all->();
is(revoke('tag=a', ''), 1, 'Content-Length: 0');
$all->();
is(revoke('', 'tag=a&tag=b'), 2, 'an empty query');
$all->();
is(revoke('tag=a&', '&tag=b&&tag=c&'), 3, 'more ampersands than needed');
$all->();
is(revoke('key=/dl/a', 'key=ann'), 1, 'a key that begins in the query');
$all->();
is(revoke('tag=a&cut=1', 'cut=0&tag=b'), 2, 'cut in both');
$all->();
my @chunked = 'Transfer-Encoding: chunked';
is(revoke(undef, "5\r\ntag=a\r\n0\r\n\r\n", @chunked), 1, 'a chunked form');
$all->();
is(revoke(undef, join('', map { "1\r\n$_\r\n" } split //, 'tag=a&tag=b') . "0\r\n\r\n", @chunked), 2, 'in many chunks');
$all->();
is(revoke('tag=a', "0\r\n\r\n", @chunked), 1, 'an empty one');
$all->();
is(revoke(undef, "5;x=y\r\ntag=a\r\n0\r\nTrailer: x\r\n\r\n", @chunked), 1, 'with an extension and a trailer');
$all->();
my $s = dial();
send_to($s, GET('POST /revoke?tag=a', 'Transfer-Encoding: chunked') . "5\r\n&ta");
sleep 0.2;
send_to($s, "g=\r\n1\r\n");
sleep 0.2;
send_to($s, "b\r\n0\r\n\r\n");
my $slow = response($s)->{body};
$all->();
$s = dial();
send_to($s, GET('POST /revoke', 'Content-Length: 11', 'Connection: keep-alive', 'Expect: 100-continue'));
is(response($s)->{status}, 100, 'Expect: 100-continue');
send_to($s, $_), sleep 0.1 for 'tag=a', '&tag=';
send_to($s, 'b' . GET('POST /revoke?tag=c', 'Connection: keep-alive', 'Content-Length: 0') . GET('POST /revoke?tag=c', 'Connection: keep-alive') . GET('/ready'));
my $slower = response($s)->{body};
is($slow, qq({"revoked": 2}\n), 'a chunked form that takes its time');
is($slower, qq({"revoked": 2}\n), 'a form that takes its time');
is(response($s)->{body}, qq({"revoked": 1}\n), 'the next request of the connection');
is(response($s)->{body}, qq({"revoked": 0}\n), 'one without a body');
is(response($s)->{body}, 'ready', 'one for something else');
ok(closed($s), 'and no more');



=== escapes
--- story
my %as = ('user:7' => [qw(user:7 user%3A7 user%3a7 %75ser:7)], 'a b' => ['a+b', 'a%20b'], 'a+b' => ['a%2Bb'], "\xe4" => ['%C3%A4', "\xc3\xa4"],
    'a&b=c' => ['a%26b=c', 'a%26b%3Dc'], '100%' => ['100%25'], '"\\' => ['%22%5C'], "\x{1f600}" => ['%F0%9F%98%80'], '=' => ['=', '%3D']);
for my $tag (sort keys %as) {
    my $json = JSON::PP->new->ascii->encode({ tags => [$tag] });
    says('dl/a', grant(qq({"file":{"storage":"files","path":"ten.txt"},"cache":$json})));
    for my $written (@{ $as{$tag} }) {
        get('dl/a');
        is(revoke("tag=$written"), 1, 'in a query: ' . $written =~ s/[^ -~]/?/gr);
        get('dl/a');
        is(revoke(undef, "tag=$written"), 1, 'in a form: ' . $written =~ s/[^ -~]/?/gr);
    }
    get('dl/a');
    is(revoke('tag=none'), 0, 'and not by another');
    revoke('key=/dl/a&key=ann');
}



=== requests that make no sense
--- story
says('dl/a', tagged('ten.txt', ['t']));
get('dl/a');
my $wrong = 0;
for my $bad (undef, '', '&&', 'tag', 'tag=', '=t', 't', 'tags=t', 'TAG=t', 'tag=t&x=1', 'tag=t&cut', 'tag=t&cut=', 'tag=t&cut=2', 'tag=t&cut=yes', 'tag=t&cut=on',
    'cut=1', 'key=', 'key=a&key=', 'tag=%', 'tag=%2', 'tag=%zz', 'tag=t%', 'tag[]=t', 'tag=t;tag=u&', 'tag%00=t', 'ta%g=t', 'tag=t&%', 'zone=grants&tag=t') {
    for my $in (0, 1) {
        my $r = $in ? post(undef, $bad // '') : post($bad);
        my $shown = ($in ? 'a form: ' : 'a query: ') . ($bad // 'none');
        if (($bad // '') eq 'tag=t;tag=u&') { is($r->{body}, qq({"revoked": 0}\n), "$shown is a tag with a semicolon"); next }
        my $json = eval { JSON::PP::decode_json($r->{body}) };
        is($r->{status}, 400, "$shown: 400");
        ok($json && $json->{error} && keys %$json == 1, "$shown: why, in JSON") or diag($r->{body});
    }
}
is(seen(get('dl/a')), '200 cached', 'nothing was forgotten by any of them');



=== what the answer looks like
--- story
for my $r (post('tag=t'), post('tag'), post(undef, 'tag=t')) {
    is(field($r, 'Content-Type'), 'application/json', "$r->{status}: JSON");
    is(field($r, 'Cache-Control'), 'no-store', "$r->{status}: not to be stored");
    is(field($r, 'Content-Length'), length $r->{body}, "$r->{status}: its length");
    ok(eval { JSON::PP::decode_json($r->{body}) }, "$r->{status}: valid");
}
is(post('tag=t', undef, 'If-None-Match: *', 'Range: bytes=0-3', 'If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT', 'If-Match: "x"')->{body},
    qq({"revoked": 0}\n), 'whatever conditions the request has');



=== methods
--- config
location = /closed { allow 127.0.0.2; deny all; download_revoke; }
--- story
says('dl/a', tagged('ten.txt', ['t']));
get('dl/a');
for my $method (qw(GET HEAD PUT DELETE PATCH OPTIONS)) {
    my $r = fetch("$method /revoke?tag=t", $method eq 'PUT' ? 'Content-Length: 0' : ());
    is($r->{status} . ' ' . field($r, 'Allow'), '405 POST', $method);
}
my $s = dial();
my $smuggled = GET('POST /revoke?tag=t', 'Content-Length: 0');
send_to($s, GET('PUT /revoke?tag=t', 'Connection: keep-alive', 'Content-Length: ' . length $smuggled) . $smuggled . GET('/ready'));
is(response($s)->{status}, 405, 'PUT with a body');
is(response($s)->{body}, 'ready', 'which is no request');
is(fetch('POST /closed?tag=t', 'Content-Length: 0')->{status}, 403, 'somebody who is not let in');
is(seen(get('dl/a')), '200 cached', 'nothing was forgotten by any of them');



=== a form that is too large
--- config
location = /small { download_revoke; client_body_buffer_size 1k; }
--- story
says('dl/a', tagged('ten.txt', ['t']));
get('dl/a');
my $form = join '&', 'tag=t', map { sprintf 'tag=%06d', $_ } 1 .. 1000;
my $to_small = sub {
    my ($sent, @lines) = @_;
    my $r = fetch(GET('POST /small', @lines) . $sent);
    return "$r->{status} $r->{body}";
};
my $refused = qq(400 {"error": "the form is larger than client_body_buffer_size"}\n);
is($to_small->($form, 'Content-Length: ' . length $form), $refused, 'with its length');
is($to_small->(sprintf("%x\r\n%s\r\n0\r\n\r\n", length $form, $form), 'Transfer-Encoding: chunked'), $refused, 'chunked');
is(seen(get('dl/a')), '200 cached', 'nothing was forgotten');
my $exact = 'tag=t&tag=' . 'x' x (1024 - 10);
is($to_small->($exact, 'Content-Length: ' . length $exact), qq(200 {"revoked": 1}\n), 'just as large as the buffer');
get('dl/a');
is(revoke(undef, $form), 1, 'where there is room for it');
my @clients = map { my $s = dial(); send_to($s, GET('POST /revoke', 'Content-Length: 100') . 'tag=t'); $s } 1 .. 6;
get('dl/a');
sleep 0.1;
$_ % 2 ? close $clients[$_] : reset_of($clients[$_]) for 0 .. 5;
is(seen(get('dl/a')), '200 cached', 'a form that never came to its end');



=== in all workers at once
--- story
for my $round (1 .. 3) {
    says('dl/a', tagged('ten.txt', ['t']));
    from_both('dl/a');
    is(all_seen(from_both('dl/a')), '200 cached', "round $round: both workers have it at hand");
    says('dl/a', answer(403, 'no'));
    is(revoke('tag=t'), 1, 'revoked');
    is(all_seen(from_both('dl/a')), '403 none', 'by none of the workers');
}
for my $round (1 .. 25) {
    says('dl/b', tagged('ten.txt', ['t'], 60));
    get('dl/b') for 1 .. 4;
    says('dl/b', answer(404));
    revoke('tag=t');
    my @seen = burst((GET('/dl/b', 'Cookie: user=ann')) x 4);
    my %status = map { $_->{status} => 1 } @seen;
    is(join(' ', keys %status), 404, "round $round") if join(' ', keys %status) ne 404;
}



=== revoked while the app is asked: it is asked again
--- config
location /zero/ { download object /_ask$uri; }
location /unlocked/ { download object /_ask$uri; download_cache_lock off; }
location /never/ { download object /_ask$uri; download_cache_valid 0; }
--- story
my %names = ('tag=t' => [qw(dl/a zero/a unlocked/a never/a)], 'tag=t&cut=1' => [qw(dl/a zero/a)], 'key=/NAME&key=ann' => [qw(dl/a never/a)], 'tag=u&tag=t' => ['dl/a']);
for my $how (sort keys %names) {
    for my $name (@{ $names{$how} }) {
        revoke('tag=t');
        my $before = calls($name);
        my $second = $how =~ /cut/ ? tagged('page.txt', ['u']) : answer(403, 'not any more');
        says($name, tagged('ten.txt', ['t'], $name =~ /zero/ ? 0 : undef), after => 0.3);
        my $s = dial();
        send_to($s, GET("/$name", 'Cookie: user=ann'));
        wait_for { calls($name) > $before };
        says($name, $second);
        is(revoke($how =~ s/NAME/$name/r), 0, "$name, $how: nothing is remembered yet");
        my $r = response($s);
        is("$r->{status} $r->{body}", $how =~ /cut/ ? '200 page' : '403 not any more', "$name, $how: by the second answer");
        is(calls($name) - $before, 2, "$name, $how: asked twice");
        is(field($r, 'X-Failure'), $how =~ /cut/ ? '' : 'denied', "$name, $how: and that is how it ends");
        revoke("key=/$name&key=ann");
    }
}



=== another one is revoked while the app is asked
--- story
says('dl/a', tagged('ten.txt', ['t']), after => 0.5);
my $s = dial();
send_to($s, GET('/dl/a', 'Cookie: user=ann'));
wait_for { calls('dl/a') };
revoke($_) for 'tag=u&cut=1', 'key=/dl/a&key=bob', 'key=/dl/a', 'tag=tt';
is(seen(response($s)), '200 asked', 'served');
is(calls('dl/a'), 1, 'asked once');
is(seen(get('dl/a')), '200 cached', 'and remembered');



=== cut=1 while the app is asked for a large file
--- story
make_large('large.bin');
says('dl/a', tagged('large.bin', ['t']), after => 1);
my $s = dial();
send_to($s, GET('/dl/a', 'Cookie: user=ann'));
wait_for { calls('dl/a') };
sleep 0.3;
says('dl/a', tagged('ten.txt', ['u']));
is(revoke('tag=t&cut=1'), 0, 'nothing is remembered yet');
my $r = response($s);
is(seen($r) . " $r->{body}", "200 asked $ten", 'what the app said after that');
says('dl/b', tagged('large.bin', ['t']), after => 0.5);
$s = dial(rcvbuf => 4096);
send_to($s, GET('/dl/b', 'Cookie: user=ann'));
wait_for { calls('dl/b') };
revoke('tag=t&cut=1');
Wire::more($s);
is(calls('dl/b'), 2, 'the app insists');
is(rest_of($s), 'whole', 'the grant is younger than the revocation');



=== revoked again and again while the app is asked: three times at most
--- story
says('dl/a', tagged('ten.txt', ['t']), after => 0.3);
says('dl/zero', tagged('ten.txt', ['t'], 0), after => 0.3);
my $revoker = fork_off(sub { while (1) { revoke('tag=t'); sleep 0.03 } });
sleep 0.1;
for my $name (qw(dl/a dl/zero)) {
    my $r = get($name);
    is($r->{status} . ' ' . field($r, 'X-Failure'), '403 revoked', "$name: denied");
    unlike($r->{body}, qr/0123/, "$name: nothing of the file");
    is(calls($name), 3, "$name: asked three times");
}
my @seen = burst((GET('/dl/a', 'Cookie: user=bob')) x 3);
is(scalar(grep { $_->{status} == 403 && $_->{body} !~ /0123/ } @seen), 3, 'three at once: nothing of the file');
stop($revoker);
is(seen(get('dl/a')), '200 asked', 'and then it is over');
--- error_log
download object: revoked: 3 times while the app was asked



=== others wait for the answer that is revoked
--- story
says('dl/a', tagged('ten.txt', ['t']), after => 0.6);
my @s = map { my $s = dial(); send_to($s, GET('/dl/a', 'Cookie: user=ann')); $s } 1 .. 30;
wait_for { calls('dl/a') };
sleep 0.2;
says('dl/a', tagged('page.txt', ['u']));
revoke('tag=t');
my @bodies = map { response($_)->{body} } @s;
is(scalar(grep { $_ eq 'page' } @bodies), 30, 'all are served by the second answer');
is(calls('dl/a'), 2, 'asked twice');



=== revoked while a denial is on its way: it is not remembered
--- options
download_cache_valid 1m denied=1m;
--- story
says('dl/a', answer(403, 'no'), after => 0.4);
my $s = dial();
send_to($s, GET('/dl/a', 'Cookie: user=ann'));
wait_for { calls('dl/a') };
revoke('key=/dl/a&key=ann');
is(response($s)->{status}, 403, 'a denial serves all the same');
says('dl/a', tagged('ten.txt', undef));
is(seen(get('dl/a')), '200 asked', 'but is not remembered');



=== revoked while the app is asked, of requests that are not remembered for want of a key
--- story
says('dl/a', tagged('ten.txt', ['t']), after => 0.4);
my $s = dial();
send_to($s, GET('/dl/a'));
wait_for { calls('dl/a') };
says('dl/a', answer(403, 'no'));
revoke('tag=t');
is(response($s)->{status}, 403, 'asked again');
make_large('large.bin');
says('dl/a', tagged('large.bin', ['t']));
$s = dial(rcvbuf => 4096);
send_to($s, GET('/dl/a'));
Wire::more($s);
revoke('tag=t&cut=1');
is(rest_of($s), 'cut', 'its transfer is cut');



=== cut=1: transfers of all kinds, cached and asked, on both workers
--- config
location /sendfile/ { download object /_ask$uri; sendfile on; sendfile_max_chunk 128k; }
location /threads/ { download object /_ask$uri; aio threads; sendfile on; }
location /thread-reads/ { download object /_ask$uri; aio threads; }
location /directio/ { download object /_ask$uri; directio 4k; }
location /gzip/ { download object /_ask$uri; gzip on; gzip_types *; gzip_comp_level 1; }
location /limited/ { download object /_ask$uri; limit_rate 300k; limit_rate_after 100k; }
location /unbuffered/ { internal; proxy_pass $download_url; proxy_buffering off; }
--- http_config
download_storage unbuffered url=http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/ via=/unbuffered/;
--- timeout: 10
--- story
my ($port) = slurp(servroot() . '/conf/nginx.conf') =~ m{url=http://127\.0\.0\.1:(\d+)/};
make_large('large.bin');
my %file = ((map { ("$_/" => '"storage":"files","path":"large.bin"') } qw(dl sendfile threads thread-reads directio limited)),
    'dl/in-' => '"location":"/inner/large.bin"', 'limited/in-' => '"location":"/inner/large.bin"',
    'dl/url-' => qq("url":"http://127.0.0.1:$port/files/large.bin"), 'dl/raw-' => qq("storage":"unbuffered","path":"files/large.bin"));
my (@cut, @kept, %pids);
get('HEAD ready');
my $before = do { sleep 0.2; descriptors() };
for my $kind (sort keys %file) {
    for my $ttl (60, 0) {
        for my $tag (qw(t other)) {
            my $name = "$kind$tag$ttl";
            says($name, grant(qq({"file":{$file{$kind}},"cache":{"ttl":$ttl,"tags":["x","$tag"]}})));
            # so that it is cached
            get("HEAD $name");
            next if $tag eq 'other' && $kind =~ /limited/;     # would take too long
            for (1 .. ($tag eq 't' ? 2 : 1)) {
                push @{ $tag eq 't' ? \@cut : \@kept }, [$name, my $s = amid($name)];
                my ($pid) = ${*$s}{wire_rest} =~ /^X-Pid: (\d+)/m;
                my ($grant) = ${*$s}{wire_rest} =~ /^X-Grant: (\w+)/m;
                $pids{ $pid // 'none' }++;
                is($grant, $ttl ? 'cached' : 'asked', "$name: begins, $grant");
            }
        }
    }
}
says('sendfile/more', tagged('large.bin', ['t']));
for (1 .. 60) {
    last if keys %pids == 2;
    push @cut, ['sendfile/more', my $s = amid('sendfile/more')];
    $pids{$1}++ if ${*$s}{wire_rest} =~ /^X-Pid: (\d+)/m;
}
is(scalar(keys %pids), 2, 'by both workers');
is(revoke('tag=t'), scalar(keys %file) + (calls('sendfile/more') ? 1 : 0), 'revoked, without cut');
sleep 0.2;
says('sendfile/last', tagged('large.bin', ['t']));
push @kept, ['revoked before it was cut', amid('dl/other60')];
like(revoke('tag=t&cut=1'), qr/^0$/, 'nothing is remembered any more, and transfers are cut');
my %start = map { $_->[0] => 1 } @cut;
is(rest_of($_->[1]), 'cut', "$_->[0]: cut") for @cut;
close $_->[1] for @cut;
is(rest_of($_->[1]), 'whole', "$_->[0]: goes on") for @kept;
close $_->[1] for @kept;
is(seen(get('dl/t60', 'ann', 'Range: bytes=0-9')), '206 asked', 'what is granted after that is served');
no_descriptor_more($before, 'after');
--- error_log
cut, as the grant was revoked



=== without cut, or with cut=0, transfers go on
--- story
make_large('large.bin');
says('dl/a', tagged('large.bin', ['t']));
my @s = map { amid('dl/a') } 1 .. 4;
revoke('tag=t');
revoke('tag=t&cut=0');
revoke('key=/dl/a&key=ann');
is(rest_of($_), 'whole', 'goes on') for @s;
--- no_error_log
cut, as
[alert]



=== cut=1 by key, and what began since then goes on
--- story
make_large('large.bin');
says($_, tagged('large.bin', ['t'])) for qw(dl/a dl/b);
my @mine = map { amid('dl/a') } 1 .. 3;
my ($other, $bob) = (amid('dl/b'), amid('dl/a', 'bob'));
is(revoke('key=/dl/a&key=ann&cut=1'), 1, 'one is forgotten');
my @since = map { amid('dl/a') } 1 .. 3;
is(rest_of($_), 'cut', 'cut') for @mine;
is(rest_of($_), 'whole', 'began since then') for @since;
is(rest_of($other), 'whole', 'another URI');
is(rest_of($bob), 'whole', 'another user');



=== cut=1 and ranges, pipelined requests, and clients that go away
--- story
make_large('large.bin');
says('dl/a', tagged('large.bin', ['t']));
says('dl/ten', tagged('ten.txt', ['t']));
my $before = do { get('dl/ten'); sleep 0.2; descriptors() };
my $range = amid('dl/a', 'ann', 'Range: bytes=1000-');
my $two = amid('dl/a', 'ann', 'Range: bytes=0-9999999,10000000-');
my $piped = dial(rcvbuf => 4096);
my @kept = ('Cookie: user=ann', 'Connection: keep-alive');
send_to($piped, GET('/dl/ten', @kept) . GET('/dl/a', @kept) . GET('/ready'));
is(response($piped)->{body}, $ten, 'a small file, before');
Wire::more($piped);
my @gone = map { amid('dl/a') } 1 .. 6;
revoke('tag=t&cut=1');
$_ % 2 ? close $gone[$_] : reset_of($gone[$_]) for 0 .. 5;
is(response($_)->{whole}, 0, 'a range is cut') for $range, $two;
my $r = response($piped);
is("$r->{status} $r->{whole}", '200 0', 'a pipelined one is cut');
ok(closed($piped), 'and the request after it is not answered');
is(seen(get('dl/ten')), '200 asked', 'the workers serve on') for 1;
is(seen(get('dl/ten')), '200 cached', 'and remember') for 1 .. 5;
close $_ for $range, $two, $piped;
no_descriptor_more($before, 'after');



=== cut=1 in a page of SSI
--- config
location = /page.html { ssi on; }
--- user_files eval
[['page.html', '[<!--#include virtual="/dl/a" -->][<!--#include virtual="/dl/b" -->]']]
--- story
make_large('large.bin');
says('dl/a', tagged('ten.txt', ['u']));
says('dl/b', tagged('large.bin', ['t']));
my $s = dial(rcvbuf => 4096);
send_to($s, GET('/page.html', 'Cookie: user=ann'));
wait_for { calls('dl/b') };
sleep 0.2;
revoke('tag=t&cut=1');
my $r = response($s);
is($r->{whole}, 0, 'the page breaks off');
like($r->{body}, qr/^\[0123456789\]\[/, 'after what it had before');
is(seen(get('dl/a')), '200 cached', 'the worker serves on');



=== HTTP/2: a stream is cut, another goes on; a revocation by HTTP/2
--- story
make_large('large.bin');
make_large('some.bin', 300_000);
says('dl/a', tagged('large.bin', ['t']));
says('dl/b', tagged('some.bin', ['other']));
my $s = h2_dial();
my %got;
send_to($s, h2_request(1, GET => '/dl/a') . h2_request(3, GET => '/dl/b'));
ok(h2_until($s, \%got, sub { 2 == grep { ($got{$_}{bytes} // 0) >= 65535 } 1, 3 }), 'both streams wait for the window');
is(revoke('tag=t&cut=1'), 1, 'revoked');
send_to($s, frame(8, 0, 1, pack 'N', 1 << 20) . frame(8, 0, 3, pack 'N', 1 << 20));
ok(h2_until($s, \%got, sub { $got{1}{reset} && $got{3}{end} }), 'one is reset, the other ends');
is($got{1}{end}, undef, 'the one that was cut does not end as if it were whole');
cmp_ok($got{1}{bytes}, '<', 1_000_000, 'and gets no more');
is($got{3}{bytes}, 300_000, 'the other is whole');
send_to($s, h2_request(5, POST => '/revoke', 4) . frame(0, 0, 5, 'ta') . frame(0, 1, 5, 'g=other'));
ok(h2_until($s, \%got, sub { $got{5}{end} }), 'a form');
is($got{5}{body}, qq({"revoked": 1}\n), 'and its answer');
send_to($s, h2_request(7, POST => '/revoke?tag=other'));
ok(h2_until($s, \%got, sub { $got{7}{end} }), 'a query');
is($got{7}{body}, qq({"revoked": 0}\n), 'and its answer');
send_to($s, h2_request(9, POST => '/revoke?tag=other', 4) . frame(0, 1, 9, ''));
ok(h2_until($s, \%got, sub { $got{9}{end} }), 'a query, and an empty body');
is($got{9}{body}, qq({"revoked": 0}\n), 'and its answer');
is($got{away}, undef, 'the connection lives on');
close $s;



=== workers answer while there is much to forget
--- http_config
download_cache_zone zone=small:4m;
--- config
location /many/ { download object /_many; download_cache small; }
location = /_many {
    internal;
    default_type application/vnd.nginx-download.grant+json;
    return 200 '{"file":{"storage":"files","path":"ten.txt"},"cache":{"tags":["tag:1","tag:2","tag:3","tag:4","tag:5"]}}';
}
--- story
my @clients = map {
    my $who = $_;
    fork_off(sub {
        my $s = dial();
        for (1 .. 19) {
            my $n = $_;
            send_to($s, join '', map { GET("/many/$n/$_", "Cookie: user=$who", 'Connection: keep-alive') } 1 .. 50);
            for (1 .. 50) { response($s)->{body} eq $ten or die 'wrong answer' }
        }
    });
} 1 .. 4;
is(end_of($_), 0, 'a client is through') for @clients;
is(revoke('tag=tag:3'), 3800, 'all of them, at once');
is(revoke('tag=tag:3'), 0, 'and then there is none');
