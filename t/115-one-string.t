# vi:ft=
# What the app is asked about is what is served: both come of one string, whatever the client
# writes. And which methods get anywhere, and that no condition is answered before a grant.
#
# `story` is Perl that runs before the request of the block. The app grants the file of the name
# that it is asked for, decoded once, as apps do; it denies what begins with "no". Each
# file says its own name.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use File::Basename qw(dirname);
use File::Path qw(make_path);
use Got;
use Wire;

our $date = 'Tue, 02 Jan 2024 03:04:05 GMT';

# Grants for what may not be had.
our %odd = (
    up => '{"file":{"storage":"files","path":"../conf/nginx.conf"},"headers":{"X-Granted":"1"}}',
    absolute => '{"file":{"storage":"files","path":"/etc/passwd"}}',
    uncovered => '{"file":{"path":"/etc/passwd"},"basename":"x"}',
    undeclared => '{"file":{"location":"/st/ten.txt"}}',
    absent => '{"file":{"location":"/inner/missing"},"etag":"\"v\""}',
    too_long => sprintf('{"file":{"storage":"files","path":"%s"}}', 'x' x 5_000),
    deep => sprintf('{"file":{"storage":"files","path":"%sx"}}', 'x/' x 2_500),
);

master_on();

add_block_preprocessor(sub {
    my $block = shift;
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    $block->set_value(http_config => <<"END" . ($block->http_config // ''));
download_storage files root=$html/files;
download_storage inner location=/inner/;
download_storage origin url=http://127.0.0.1:\$TEST_NGINX_RAND_PORT_1/ via=/_fetch/;
download_rule /app/ files;
upstream app { server unix:$html/app.sock; }
server { listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_1; root $html/files; }
END
    $block->set_value(config => <<"END" . ($block->config // ''));
location = /ready { return 200 ready; }
location /dl/ { download object /_ask\$uri; }
location /st/ { download storage files; }
location /path/ { download path $html/files/ten.txt; }
location /http/ { download http http://127.0.0.1:\$TEST_NGINX_RAND_PORT_1/ten.txt; }
location /virtual/ { download virtual /inner/ten.txt; }
location /guarded/ { auth_request /_auth; download storage files; }
location = /_auth { internal; return 403; }
location /app/ { download_intercept all; proxy_pass http://app; }
location /_ask/ { internal; proxy_pass http://app; }
location /_fetch/ { internal; proxy_pass \$download_url; }
location /inner/ { internal; alias $html/files/; }
END
    $block->set_value(user_files => [['files/ten.txt', '0123456789', '202401020304.05']]);
    $block->set_value(init => 'package main; our ($date, %odd); app(app => \&app_answers); ' . ($block->story // ''));
    $block->set_value(request => 'GET /ready');
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n");
});

sub app_answers {
    my ($method, $target) = shift =~ /^(\S+) (\S+)/;
    note("asked $method $target");
    my ($where, $name) = decoded($target) =~ m{^/(_ask/dl|_ask/merged|_ask/m|app)/(.*)}s or return answer(500, "what? $target");
    return answer(403, 'no', 'ETag: "no"', "Last-Modified: $main::date") if $name =~ /^no/;
    return answer(206, '01', 'X-Sendfile: /app/ten.txt', 'Content-Range: bytes 0-1/10') if $name eq 'part';
    return grant('{"file":{"content":"0123456789"}}') if $name eq 'content';
    return grant('{"file":{"location":"/inner/ten.txt"}}') if $name eq 'at';
    return grant($odd{$name}) if $odd{$name};
    return answer(200, '', 'X-Sendfile: /app/ten.txt') if $where eq 'app';
    return grant(sprintf '{"file":{"storage":"files","path":"%s"}}', $name =~ s/(["\\])/\\$1/gr);
}

sub decoded { return shift =~ s/%([0-9a-f]{2})/chr hex $1/gier }

# A file that says its name, below html/files.
sub named {
    my $path = servroot() . "/html/files/$_[0]";
    make_path(dirname($path));
    make_file($path, $_[0]);
}

# What the app was asked since the last time.
sub asked {
    my @asked = notes() =~ /^asked (.*)$/mg;
    unlink servroot() . '/html/notes';
    return @asked;
}

no_long_string();
run_tests();

__DATA__

=== one string is asked about and served
--- config
location /merged/ { download object /_ask$uri; }
--- story
# one file for each way that somebody might read what the client writes
named($_) for 'a', 'a b', 'a+b', 'a%20b', '%', '%zz', '%2F', 'd/a', 'd%2Fa', 'a;b', 'a;', 'a\\b', 'a%5cb', 'a?b', 'a#b', 'a%3Fb', "\xc3\xa9", '%c3%a9';
my %served = (
    'a' => 'a', '%61' => 'a', '%2561' => 404, 'a%20b' => 'a b', 'a%2520b' => 'a%20b', 'a+b' => 'a+b', 'a%2Bb' => 'a+b',
    'd%2Fa' => 'd/a', 'd%252Fa' => 'd%2Fa', '%252F' => '%2F', 'd//a' => 'd/a', '/a' => 'a', '//d///a' => 'd/a', 'd/%2Fa' => 'd/a', './a' => 'a', 'd/../a' => 'a', 'd/%2e%2e/a' => 'a', 'd%2F..%2Fa' => 'a', 'x/.%2e/d/a' => 'd/a',
    'a;b' => 'a;b', 'a%3Bb' => 'a;b', 'a;' => 'a;', 'd;/../a' => 'a', 'd/..;/a' => 404, ';a' => 404,
    'a\\b' => 'a\\b', 'a%5Cb' => 'a\\b', 'a%255cb' => 'a%5cb', 'd\\..\\a' => 404, 'd%5c..%5ca' => 404,
    'a%3Fb' => 'a?b', 'a?b' => 'a', 'a%253Fb' => 'a%3Fb', 'a%23b' => 'a#b', 'a#b' => 'a', '%25' => '%', '%25zz' => '%zz', "\xc3\xa9" => "\xc3\xa9", '%C3%A9' => "\xc3\xa9", '%25c3%25a9' => '%c3%a9',
    # what nginx takes for no request; nobody is asked, nothing is served
    'a b' => 400, '%' => 400, '%zz' => 400, 'a%' => 400, 'a%2' => 400, 'a%00b' => 400, "a\0b" => 400, '../../a' => 400, '%2e%2e/%2e%2e/a' => 400,
);
for my $rest (sort keys %served) {
    my $wanted = $served{$rest};
    my $shown = $rest =~ s/([^ -~])/sprintf '\x%02x', ord $1/ger;
    for my $where ('/dl/', '//dl/', '/st/', 'http://localhost/dl/') {
        my $r = fetch(GET("$where$rest"));
        my @asked = asked();
        if ($wanted =~ /^4/) { is($r->{status}, $wanted, "$where$shown: refused") }
        else { is("$r->{status} $r->{body}", "200 $wanted", "$where$shown: served") }
        next if $where eq '/st/';
        is(scalar @asked, $wanted eq 400 ? 0 : 1, "$where$shown: questions");
        is(decoded($asked[0]), "GET /_ask/dl/$wanted", "$where$shown: asked about, what is served") if $wanted !~ /^4/;
    }
}
is(fetch(GET("GET $_"))->{status}, 400, "GET $_") for '//%', '/%', '//dl/%', '/dl/%/../a';



=== one string, where slashes are not merged
--- config
merge_slashes off;
--- story
named($_) for 'a', 'd/a', 'dl/a', 'st/a';
my %served = ('d/a' => 'd/a', 'd//a' => 'd/a', 'd%2F%2Fa' => 'd/a', 'd/./a' => 'd/a', 'x/../a' => 'a', 'd//../a' => 'd/a', '/a' => 404, '/etc/passwd' => 404, '/dl/a' => 404, '/st/a' => 404);
for my $rest (sort keys %served) {
    my $wanted = $served{$rest};
    for my $where ('/dl/', '/st/') {
        my $r = fetch("$where$rest");
        my ($asked) = asked();
        is($r->{status} == 200 ? $r->{body} : $r->{status}, $wanted, "$where$rest");
        is(decoded($asked) =~ s{^GET /_ask/dl/}{}r =~ s{//+}{/}gr, $wanted, "$where$rest: asked about, what is served") if $where eq '/dl/' && $wanted !~ /^4/;
    }
}



=== methods, by view
--- config
location = /asks-nobody { download object /_ask/dl/no; }
--- story
my %view = (object => '/dl/ten.txt', denied => '/asks-nobody', storage => '/st/ten.txt', path => '/path/', http => '/http/', virtual => '/virtual/');
my @others = qw(POST PUT DELETE OPTIONS PATCH PROPFIND MKCOL COPY MOVE LOCK UNLOCK TRACE);
for my $view (sort keys %view) {
    my $wanted = $view eq 'denied' ? 403 : 200;
    is(fetch("GET $view{$view}")->{status}, $wanted, "$view: GET");
    my $r = fetch("HEAD $view{$view}");
    is("$r->{status} $r->{body}", "$wanted ", "$view: HEAD");
    asked();
    for my $method (@others) {
        $r = fetch("$method $view{$view}", 'Content-Length: 0', 'Destination: /dl/x', 'X-HTTP-Method-Override: GET');
        is($r->{status}, 405, "$view: $method");
        unlike($r->{body}, qr/0123456789/, "$view: $method: nothing of the file");
        is(field($r, 'Allow'), $method eq 'TRACE' ? '' : 'GET, HEAD', "$view: $method: what is allowed");
    }
    # what nginx takes for no method, and for none of its business
    is(raw("$_ $view{$view} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") =~ /^HTTP\S+ (\d+)/ ? $1 : 'nothing', 400, "$view: '$_'") for 'get', 'G=T', 'GET\\';
    like(fetch("$_ $view{$view}")->{status}, qr/^40[05]$/, "$view: $_") for qw(GETT HEADS BREW CONNECT);
    is(join(' | ', asked()), '', "$view: nobody was asked by any of these");
}



=== a condition is answered after the grant, and only then
--- story
my @conditions = (['If-None-Match: *'], ['If-None-Match: "no"'], ["If-Modified-Since: $date"], ['If-Match: "x"'], ['If-Unmodified-Since: Tue, 03 Jan 2023 03:04:05 GMT'], ['Range: bytes=99-'], ['If-None-Match: *', 'Range: bytes=0-1']);
my @granted = (304, 200, 304, 412, 412, 416, 304);
for my $i (0 .. $#conditions) {
    my @lines = @{ $conditions[$i] };
    for my $method ('GET', 'HEAD') {
        my $r = fetch("$method /dl/ten.txt", @lines);
        is($r->{status}, $granted[$i], "$method, granted: @lines");
        is(scalar(asked()), 1, "$method, granted: @lines: the app is asked");
        is(fetch("$method /dl/no", @lines)->{status}, 403, "$method, denied: @lines");
        is(fetch("$method /dl/missing", @lines)->{status}, 404, "$method, missing: @lines");
        is(fetch("$method /guarded/ten.txt", @lines)->{status}, 403, "$method, no leave: @lines");
        asked();
    }
}



=== one Content-Range, and that of what is sent
--- config
location /said/ { download object /_ask/dl/ten.txt; download_header X-Said 1; add_header X-Added 1; }
--- story
for my $target ('/dl/ten.txt', '/dl/content', '/dl/at', '/st/ten.txt', '/path/', '/http/', '/virtual/', '/app/ten.txt', '/app/part', '/said/') {
    got($target, fetch($target, 'Range: bytes=2-4'), 206, '234', 'Content-Range: bytes 2-4/10', 'Content-Length: 3');
    got("$target: beyond", fetch($target, 'Range: bytes=10-'), 416, undef, 'Content-Range: bytes */10');
    got("$target: whole", fetch($target), 200, '0123456789', '! Content-Range');
    my $r = fetch($target, 'Range: bytes=0-1,4-5');
    is($r->{status} . field($r, 'Content-Range'), 206, "$target: of several parts, in the parts only");
    is(join(' | ', $r->{body} =~ /^Content-Range: (.*)\r$/mg), 'bytes 0-1/10 | bytes 4-5/10', "$target: one in each part");
}



=== what is granted and may not be had looks like what is not there, to the byte
--- story
symlink '/etc/passwd', servroot() . '/html/files/link' or die $!;
mkdir servroot() . '/html/files/folder' or die $!;
my %seen;
push @{ $seen{ raw(GET("/dl/$_")) =~ s/^Date: .*\r\n//mr } }, $_ for 'missing', 'link', 'folder', 'ten.txt/x', sort keys %odd;
is(scalar keys %seen, 1, 'one response for all') or diag(map { "@{ $seen{$_} }:\n$_\n" } keys %seen);
like((keys %seen)[0], qr/^HTTP\/1.1 404 /, 'a 404');



=== a second Authorization is not lost on the way to the app
--- story
# nginx takes no request with two of them; the app is not left to guess which one counts
is(fetch('/dl/ten.txt', 'Authorization: Basic YQ==', 'Authorization: Basic Yg==')->{status}, 400, 'two');
is(fetch('/dl/ten.txt', 'Authorization: Basic YQ==', 'authorization: Basic YQ==')->{status}, 400, 'two of one kind');
is(join(' | ', asked()), '', 'the app is not asked');
is(fetch('/dl/ten.txt', 'Authorization: Basic YQ==')->{status}, 200, 'one');
