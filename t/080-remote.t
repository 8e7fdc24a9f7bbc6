# vi:ft=
# Files that another server or another location has: the views http and virtual, and storages
# by url=.
#
# `story` is Perl that runs before the request of the block. `says_origin` starts the origin, which
# http://127.0.0.1:ORIGIN/ leads to, with its answers by the last part of the path that it is
# asked for: [status, body, header lines ...], or a sub that gets the request and the
# connection. `grants` starts the app that /dl/NAME asks, with its grants by name. `got` checks a
# response: status, body (or undef), and header fields: 'Name: value', all values of that name
# joined by ' | ', or '! Name'. ORIGIN in a configuration is the origin's port.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use IO::Socket::INET;
use Time::HiRes qw(sleep time);
use Got qw(:DEFAULT no_descriptor_more);
use Wire;

our $ten = '0123456789';
our $large = join '', map { "line $_\n" } 1 .. 50_000;
our $date = 'Tue, 02 Jan 2024 03:04:05 GMT';        # of the files
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 128) or die "listen: $!";
our $origin = $listener->sockport;
our $base = "http://127.0.0.1:$origin/files";

master_on();
worker_connections(256);

my ($serving, $app);

add_block_preprocessor(sub {
    my $block = shift;
    stop($_) for grep { defined } $serving, $app;     # those of the block before
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    my $mistake = defined $block->must_die;
    $block->set_value(http_config => <<"END" . ($block->http_config // '')) unless $mistake;
types { text/html html; text/plain txt; application/pdf pdf; }
download_storage remote url=http://127.0.0.1:ORIGIN/files/ via=/_fetch/;
download_storage static url=http://127.0.0.1:\$TEST_NGINX_RAND_PORT_1/x/ via=/_static/;
download_storage named url=http://origin/files/ via=/_named/;
download_rule /app/remote/ remote;
upstream app { server unix:$html/app.sock; }
upstream origin { server 127.0.0.1:ORIGIN; }
server {
    listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_1;
    location /x/ { alias $html/files/; add_header X-Origin 1; }
    location / { return 200 outside; }
}
END
    $block->set_value(config => <<"END" . ($block->config // '')) unless $mistake;
location = /ready { return 200 ready; }
location /http/ { download http http://127.0.0.1:ORIGIN/files/\$arg_f; }
location /static/ { download http http://127.0.0.1:\$TEST_NGINX_RAND_PORT_1/x/\$arg_f; }
location /storage/ { download storage remote; }
location /static-storage/ { download storage static; }
location /dl/ { download object /_ask\$uri; }
location /app/ { download_intercept all; proxy_pass http://app; }
location /_ask/ { internal; proxy_pass http://app; }
location /_fetch/ { internal; proxy_pass \$download_url; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 1s; }
location /_static/ { internal; proxy_pass \$download_url; }
location /_named/ { internal; proxy_pass \$download_url; }
location /inner/ { internal; alias $html/; }
END
    $block->set_value($_ => ($block->$_ // '') =~ s/ORIGIN/$origin/gr) for qw(http_config config);
    $block->set_value(user_files => [
        ['files/ten.txt', $ten, '202401020304.05'], ['files/large.txt', $large, '202401020304.05'], ['files/empty.txt', ''], ['files/sub/deep.txt', 'deep'], ['secret.txt', 'secret'], @{ $block->user_files // [] },
    ]);
    $block->set_value(init => 'package main; our ($ten, $large, $date, $origin, $base); ' . ($block->story // ''));
    $block->set_value(request => 'GET /ready') unless defined $block->request;
    $block->set_value(no_error_log => "[alert]\n[emerg]\n") unless defined $block->no_error_log || $mistake;
    if ($mistake) {
        $block->set_value(suppress_stderr => '');
        $block->set_value(config => ' ') unless $block->config =~ /\S/;
    }
});

# --- the origin and the app ------------------------------------------------------

sub says_origin {
    our %says = @_;
    stop($serving) if $serving;
    $serving = fork_off(sub {
        $SIG{CHLD} = 'IGNORE';
        while (1) {
            my $c = $listener->accept or next;
            my $pid = fork;
            if ($pid) { close $c; next }
            my $in = '';
            while (sysread $c, $in, 65536, length $in) {
                while ($in =~ s/^(.*?\r\n\r\n)//s) {
                    my $answer = origin_answers($1, $c);
                    send_to($c, $answer) if defined $answer;
                    POSIX::_exit(0) unless defined $answer;
                }
            }
            POSIX::_exit(0);
        }
    });
}

sub origin_answers {
    my ($request, $connection) = @_;
    my ($method, $target) = $request =~ m{^([A-Z]+) (\S+) HTTP/} or return answer(500, 'what?');
    note("origin: $method $target", map { "origin: $_" } split /\r\n/, $request =~ s/^.*?\r\n//r);
    my ($name) = $target =~ m{([^/?]*)(?:\?.*)?$};
    our %says;
    my $said = $says{$name} // return answer(404, "no such answer: $name", 'X-Origin: 1');
    my $answer = ref $said eq 'CODE' ? $said->($request, $connection) : answer(@$said);
    $answer =~ s/(\r\n\r\n).*/$1/s if defined $answer && $method eq 'HEAD';
    return $answer;
}

sub grants {
    our %grants = @_;
    stop($app) if $app;
    $app = app(app => sub {
        my ($method, $name) = shift =~ m{^([A-Z]+) \S*/([^/?\s]+)} or return answer(500, 'what?');
        our %grants;
        my $said = $grants{$name} or return answer(404, "no such grant: $name");
        $said = ref $said ? answer(@$said) : grant($said, 'Set-Cookie: fresh=1');
        return $method eq 'HEAD' ? $said =~ s/(\r\n\r\n).*/$1/sr : $said;
    });
}

# What the origin was asked since the last time.
sub asked {
    my $asked = join '', map { "$_\n" } notes() =~ /^origin: (.*)$/mg;
    unlink servroot() . '/html/notes';
    return $asked;
}

no_long_string();
run_tests();

__DATA__

=== each way to a file of another server
--- config
location /option/ { download storage remote $arg_f; }
location /rest { download storage remote; }
location /host/ { download http http://origin/files/ten.txt; }
location /by-name/ { download storage named ten.txt; }
--- story
says_origin('ten.txt' => [200, $ten, 'Content-Type: text/plain']);
grants(url => qq({"file":{"url":"$base/ten.txt"}}), storage => '{"file":{"storage":"remote","path":"ten.txt"}}', path => '{"file":{"path":"/app/remote/ten.txt"}}', query => qq({"file":{"url":"$base/ten.txt?sig=%2Fa%20b&x=1"}}),
    deep => qq({"file":{"url":"$base/a/b/ten.txt"}}), sendfile => [200, 'stand-in', 'X-Sendfile: /app/remote/ten.txt', 'X-Own: 1', 'Content-Type: text/html'], accel => [200, 'stand-in', 'X-Accel-Redirect: /app/remote/ten.txt', 'X-Own: 1']);
my %target = ('/http/?f=ten.txt' => '/files/ten.txt', '/storage/ten.txt' => '/files/ten.txt', '/storage/sub/ten.txt' => '/files/sub/ten.txt', '/option/?f=a/ten.txt' => '/files/a/ten.txt', '/rest/ten.txt' => '/files/ten.txt', '/dl/url' => '/files/ten.txt',
    '/dl/storage' => '/files/ten.txt', '/dl/path' => '/files/ten.txt', '/dl/query' => '/files/ten.txt?sig=%2Fa%20b&x=1', '/dl/deep' => '/files/a/b/ten.txt', '/host/' => '/files/ten.txt', '/by-name/' => '/files/ten.txt');
for my $path (sort keys %target) {
    got($path, fetch($path), 200, $ten, 'Content-Type: text/plain', 'Content-Disposition: attachment; filename="ten.txt"', 'Content-Length: 10');
    like(asked(), qr/^GET \Q$target{$path}\E\n/, "$path: what the origin is asked");
    got("$path, HEAD", fetch("HEAD $path"), 200, '', 'Content-Length: 10');
    like(asked(), qr/^HEAD \Q$target{$path}\E\n/, "$path: HEAD");
}
for my $path ('/app/sendfile', '/app/accel') {
    got($path, fetch($path), 200, $ten, 'X-Own: 1', '! X-Sendfile', '! X-Accel-Redirect', 'Content-Length: 10', $path =~ /send/ ? 'Content-Type: text/html' : ());
    like(asked(), qr{^GET /files/ten.txt\n}, "$path: what the origin is asked");
}
got('POST', fetch('POST /http/?f=ten.txt', 'Content-Length: 0'), 405, undef, 'Allow: GET, HEAD');
got('a POST that the app answers by such a file', fetch('POST /app/sendfile', 'Content-Length: 0'), 200, $ten);
like(asked(), qr{^GET /files/ten.txt\n}, 'is a GET to the origin');
got('the client itself', fetch("$_/ten.txt"), 404, undef) for qw(/_fetch /_static);
is(asked(), '', 'asks nothing');
like(field(fetch('/dl/url'), 'Set-Cookie'), qr/fresh=1/, 'the cookie of the grant');
--- no_error_log
[alert]
[crit]
[emerg]



=== names with any character
--- story
my %names = (space => ['a b.txt', 'a%20b.txt'], percent => ['50%.txt', '50%25.txt'], question => ['what?.txt', 'what%3F.txt'], hash => ['a#b.txt', 'a%23b.txt'], utf8 => ['\u00e9.txt', '%C3%A9.txt'], quote => [q(q'\".txt), "q'%22.txt"], backslash => ['b\\\\s.txt', 'b%5Cs.txt'],
    literal => ['x%20y.txt', 'x%2520y.txt'], plus => ['a+b&c=d;e.txt', 'a+b&c=d;e.txt'], bracket => ['[a]{b}|c^`.txt', '%5Ba%5D%7Bb%7D%7Cc%5E%60.txt'], dots => ['..dots..', '..dots..'], colon => ['c:d@e.txt', 'c:d@e.txt']);
says_origin(map { $_->[1] => [200, $ten] } values %names);
grants(map { $_ => qq({"file":{"storage":"remote","path":"sub/$names{$_}[0]"}}) } keys %names);
for my $name (sort keys %names) {
    got($name, fetch("/dl/$name"), 200, $ten);
    like(asked(), qr{^GET /files/sub/\Q$names{$name}[1]\E\n}, "$name: what the origin is asked");
}
got('Latin-1 in the URI', fetch('/storage/caf%E9.txt'), 404, undef);
like(asked(), qr{^GET /files/caf%E9\.txt\n}, 'Latin-1 in the URI');
got('a slash, encoded', fetch('/storage/a%2Fb'), 404, undef);
like(asked(), qr{^GET /files/a/b\n}, 'a slash, encoded: decoded once');



=== ranges and conditions: the origin's answers
--- config
location /unnamed/ { download http http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/x/$arg_f; download_attachment off; }
--- story
grants(url => '{"file":{"storage":"static","path":"ten.txt"}}', etag => '{"file":{"storage":"static","path":"ten.txt"},"etag":"\"v1\"","modified":1700000000}');
for my $path ('/static/?f=ten.txt', '/static-storage/ten.txt', '/dl/url') {
    got($path, fetch($path), 200, $ten, 'ETag: "65937d25-a"', "Last-Modified: $date", 'Content-Type: text/plain', 'X-Origin: 1', 'Accept-Ranges: bytes');
    got("$path, range", fetch($path, 'Range: bytes=2-4'), 206, '234', 'Content-Range: bytes 2-4/10', 'Content-Length: 3', 'ETag: "65937d25-a"', 'Content-Disposition: attachment; filename="ten.txt"');
    got("$path, ranges", fetch($path, 'Range: bytes=0-0,-1'), 206, qr/bytes 0-0\/10.*bytes 9-9\/10/s, 'Content-Disposition: attachment; filename="ten.txt"');
    got("$path, beyond", fetch($path, 'Range: bytes=10-'), 416, undef);
    got("$path, HEAD, range", fetch("HEAD $path", 'Range: bytes=2-4'), 206, '', 'Content-Length: 3');
    got("$path, If-None-Match", fetch($path, 'If-None-Match: "65937d25-a"'), 304, undef, 'ETag: "65937d25-a"');
    got("$path, If-None-Match of another", fetch($path, 'If-None-Match: "x"'), 200, $ten);
    got("$path, If-Modified-Since", fetch($path, "If-Modified-Since: $date"), 304, undef);
    got("$path, If-Match of another", fetch($path, 'If-Match: "x"'), 412, undef);
    got("$path, If-Range", fetch($path, 'Range: bytes=2-4', 'If-Range: "65937d25-a"'), 206, '234');
    got("$path, If-Range of another", fetch($path, 'Range: bytes=2-4', 'If-Range: "x"'), 200, $ten);
}
got('a version by the grant', fetch('/dl/etag'), 200, $ten, 'ETag: "v1"', 'Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT');
got('304 by the version of the grant', fetch('/dl/etag', 'If-None-Match: "v1"'), 304, undef, 'ETag: "v1"');
got('200 by the version of the grant', fetch('/dl/etag', 'If-None-Match: "v0"'), 200, $ten);
got("the origin's own version is not the grant's", fetch('/dl/etag', 'If-None-Match: "65937d25-a"'), 200, $ten, 'ETag: "v1"');
got('a range of the version of the grant', fetch('/dl/etag', 'Range: bytes=2-4'), 206, '234', 'ETag: "v1"', 'Content-Range: bytes 2-4/10');
my $r = fetch('/dl/etag', 'Range: bytes=2-4', 'If-Range: "v1"');
ok($r->{status} == 206 && $r->{body} eq '234' || $r->{status} == 200 && $r->{body} eq $ten, 'If-Range with the version of the grant') or diag("$r->{status} $r->{body}");
got('If-Range of another version', fetch('/dl/etag', 'Range: bytes=2-4', 'If-Range: "v0"'), 200, $ten);
got('If-Match of the version of the grant', fetch('/dl/etag', 'If-Match: "v1"'), 200, $ten);
got('large', fetch('/static/?f=large.txt'), 200, $large);
got('empty', fetch('/static/?f=empty.txt'), 200, '');
got('missing', fetch('/static/?f=missing'), 404, undef);



=== what the origin says of the file is kept, unless the grant or the location says otherwise
--- config
location /said/ { download http http://127.0.0.1:ORIGIN/files/f; download_basename "n $arg_n.pdf"; download_mimetype application/x-ours; download_header X-Ours 1; download_header Cache-Control private; download_charset utf-8; }
location /inline/ { download http http://127.0.0.1:ORIGIN/files/f; download_attachment off; expires 1h; add_header X-Added 1; }
--- story
my @said = ('Content-Type: text/html; charset=koi8-r', 'ETag: "o"', 'Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT', 'Cache-Control: max-age=5', 'X-Origin: 1', 'Content-Language: de', 'Content-Disposition: inline; filename="o.txt"', 'Vary: Accept');
says_origin(f => [200, $ten, @said], bare => sub { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n$ten" }, gz => [200, $ten, 'Content-Encoding: gzip']);
grants(bare => qq({"file":{"url":"$base/f"}}), all => qq({"file":{"url":"$base/f"},"basename":"\\u00e9.pdf","mimetype":"application/pdf","etag":"\\"g\\"","modified":1700000000,"headers":{"Cache-Control":"no-store","X-Origin":"2","X-Grant":"1"}}),
    inline => qq({"file":{"url":"$base/f"},"attachment":false,"basename":"x.txt"}), encoding => qq({"file":{"url":"$base/gz"},"encoding":"identity"}), size => qq({"file":{"url":"$base/f"},"size":11}));
got('a grant that says nothing', fetch('/dl/bare'), 200, $ten, grep({ !/Disposition/ } @said), 'Content-Disposition: attachment; filename="f"');
got('a grant that says all', fetch('/dl/all'), 200, $ten, 'Content-Type: application/pdf', 'ETag: "g"', 'Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT', 'Cache-Control: no-store', 'X-Origin: 2', 'X-Grant: 1', q(Content-Disposition: attachment; filename="e.pdf"; filename*=UTF-8''%C3%A9.pdf), 'Content-Language: de');
got('inline', fetch('/dl/inline'), 200, $ten, 'Content-Disposition: inline; filename="x.txt"');
got('encoding', fetch('/dl/encoding'), 200, $ten, '! Content-Encoding');
got('another size', fetch('/dl/size'), 200, $ten, 'Content-Length: 10');
log_has(qr/\[warn\].*the grant says 11 bytes/, 'another size: a line in the log');
got('the location', fetch('/said/?n=7'), 200, $ten, 'Content-Type: application/x-ours; charset=utf-8', 'Cache-Control: private', 'X-Ours: 1', 'X-Origin: 1', 'Content-Disposition: attachment; filename="n 7.pdf"', 'ETag: "o"');
got('not an attachment', fetch('/inline/'), 200, $ten, 'Content-Disposition: inline; filename="o.txt"', 'Content-Type: text/html; charset=koi8-r');
got('no word of the origin', fetch('/http/?f=bare'), 200, $ten, 'Content-Disposition: attachment; filename="bare"');



=== only declared origins
--- http_config
download_storage deep url=http://127.0.0.1:ORIGIN/a/b/ via=/_deep/;
--- config
location /_deep/ { internal; proxy_pass $download_url; }
location /any/ { download http $arg_u; }
location /scheme/ { download http $arg_s://127.0.0.1:ORIGIN/files/f; }
location /host/ { download http http://$arg_h/files/f; }
--- story
says_origin(f => [200, $ten], map { $_ => [200, 'outside'] } qw(secret x passwd));
my $o = "127.0.0.1:$origin";
my @urls = ("http://user\@$o/files/f", "http://user:pw\@$o/files/f", "http://$o\@127.0.0.2/files/f", "http://127.0.0.2:$origin/files/f", "http://localhost:$origin/files/f", "http://127.0.0.1/files/f", "http://$o/filesx/f", "http://$o/files", "http://$o/fi", "http://$o/", "http://$o/other/f",
    "http://${o}0/files/f", "http://$o.evil/files/f", "http://127.0.0.1.evil:$origin/files/f", "https://$o/files/f", "HTTP://$o/files/f", "http://unix:/run/x:/files/f", 'file:///etc/passwd', 'file://localhost/etc/passwd', "http://2130706433:$origin/files/f", "http://0x7f000001:$origin/files/f", "http://0177.0.0.1:$origin/files/f",
    "http://127.1:$origin/files/f", "http://[::ffff:127.0.0.1]:$origin/files/f", "http://[::1]:$origin/files/f", "http://0:$origin/files/f", "//$o/files/f", "/files/f", "files/f", '', "http:/$o/files/f", "http:\\\\\\\\$o/files/f", "http://$o/files/../secret", "http://$o/files/%2e%2e/secret", "http://$o/files/.%2E/secret",
    "http://$o/files/%252e%252e/secret", "http://$o/files/%25252e%25252e/secret", "http://$o/files/..%2fsecret", "http://$o/files/..%5csecret", "http://$o/files/x/..", "http://$o/files/a b", "http://$o/files/f\\r\\nX-Injected: 1", "http://$o/files/f\\u0000", "http://$o/files/f#x", "http://$o/files/\\u00e9", "ftp://$o/files/f",
    "gopher://$o/files/f", "http://$o/a/f", "http://$o/a/b/../f", "http://$o:80/files/f", "http://$o/files\\\\f", "http://$o//files/f", "http://$o/./files/f", "http://$o/files/f\\t", " http://$o/files/f", "http://$o/files/\\\"f", 'javascript:1', 'data:,x', "http://$o?/files/f", "http://$o#/files/f");
grants((map { ("u$_" => qq({"file":{"url":"$urls[$_]"}})) } 0 .. $#urls), good => qq({"file":{"url":"http://$o/files/f"}}), below => qq({"file":{"url":"http://$o/a/b/f"}}), dots => qq({"file":{"url":"http://$o/files/a..b/...f"}}));
for (0 .. $#urls) {
    my $r = fetch("/dl/u$_");
    ok($r->{status} == 404 || $r->{status} == 502, "$urls[$_]: refused") or diag("$r->{status} $r->{body}");
    unlike($r->{body}, qr/$ten|outside/, "$urls[$_]: nothing");
    is(field($r, 'Set-Cookie'), '', "$urls[$_]: no cookie");
}
is(asked(), '', 'the origin was asked nothing');
log_has(qr/\[error\].*download object: no_rule: "http:\/\/localhost/, 'and the log says why');
got('one', fetch('/dl/good'), 200, $ten);
got('another', fetch('/dl/below'), 200, $ten);
fetch('/dl/dots');
like(asked(), qr{^GET /files/a\.\.b/\.\.\.f\n}m, 'dots in names are no way up');
for my $url ("http://$o/other/f", "http://127.0.0.1.evil:$origin/files/f", "http://user\@$o/files/f", "http://$o/files/../secret", "http://$o/files/%2e%2e/secret", 'file:///etc/passwd', "http://$o/files/f#x", '', "unix:/x:/files/f") {
    got("from the client: $url", fetch("/any/?u=$url"), 404, undef) unless $url =~ /#/;
}
got("from the client: $_", fetch("/http/?f=$_"), 404, undef) for '../secret', '..', '%2e%2e/secret', '..%2fsecret', 'x/../../secret', '%252e%252e/secret', '..\\secret', '%5c..%5csecret', '"', '<';
got("scheme $_", fetch("/scheme/?s=$_"), 404, undef) for qw(https ftp file HTTP);
got("host $_", fetch("/host/?h=$_"), 404, undef) for "127.0.0.2:$origin", "$o\@evil", "a\@$o", "evil/http://$o", "$o.evil", '', "unix:/x:";
is(asked(), '', 'the origin was asked nothing');
got('from the client, declared', fetch("/any/?u=http://$o/files/f"), 200, $ten);
alive('after');



=== what the origin denies, or sends elsewhere, is a plain 404; its failures are a 502
--- http_config
download_storage page url=http://127.0.0.1:ORIGIN/page/ via=/_page/;
download_storage words url=http://127.0.0.1:ORIGIN/words/ via=/_words/;
--- config
location /page/ { download http http://127.0.0.1:ORIGIN/page/$arg_f; }
location /_page/ { internal; proxy_pass $download_url; proxy_intercept_errors on; error_page 403 404 =404 /sorry; error_page 500 =503 /sorry; }
location /words/ { download http http://127.0.0.1:ORIGIN/words/$arg_f; }
location /_words/ { internal; proxy_pass $download_url; error_page 403 404 500 /sorry; }
location = /sorry { return 200 sorry; }
--- story
my @fields = ('X-Origin: 1', 'Set-Cookie: o=1', 'WWW-Authenticate: Basic realm="o"', 'Location: http://127.0.0.1:' . $origin . '/files/ok', 'Cache-Control: max-age=9', 'Content-Type: text/x-origin', 'Content-Disposition: inline', 'Retry-After: 5', 'Link: </o>');
says_origin((map { ("s$_" => [$_, "words of the origin", @fields]) } 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 407, 410, 416, 429, 451, 500, 501, 502, 503, 504, 507), ok => [200, $ten], (map { ("t$_" => [$_, "words", @fields]) } 201, 202, 203, 207), empty => sub { answer(204, '') =~ s/Content-Length: 0\r\n//r },
    nothing => sub { undef }, slow => sub { sleep 1.5; answer(200, $ten) }, old => sub { send_to($_[1], "HTTP/1.0 200 OK\r\n\r\n$ten"); undef }, head => sub { send_to($_[1], "HTTP/1.1 200 OK\r\nContent-Le"); undef });
my @none = map { "! $_" } qw(X-Origin Set-Cookie WWW-Authenticate Location Cache-Control Content-Disposition Retry-After Link X-Ours);
for my $status (300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 407, 410, 429, 451) {
    got("origin: $status", fetch("/http/?f=s$status"), 404, qr{^<html>.*</html>}s, @none, 'Content-Type: text/html');
    got("origin: $status, HEAD", fetch("HEAD /http/?f=s$status"), 404, '', @none);
    got("origin: $status, storage", fetch("/storage/s$status"), 404, qr{^<html>}, @none);
}
for my $status (500, 501, 502, 503, 504, 507) {
    got("origin: $status", fetch("/http/?f=s$status"), 502, qr{^<html>.*</html>}s, @none, 'Content-Type: text/html');
}
is(() = asked() =~ m{^GET /files/ok\n}mg, 0, 'no redirect is followed');
for my $kind (qw(nothing slow head)) {
    my $r = fetch("/http/?f=$kind");
    cmp_ok($r->{status}, '>=', 502, "$kind: fails");
    unlike($r->{body}, qr/$ten/, "$kind: nothing of it");
}
got('HTTP/1.0', fetch('/http/?f=old'), 200, $ten);
for my $kind (qw(t201 t202 t203 t207 empty)) {
    my $r = fetch("/http/?f=$kind");
    unlike($r->{body}, qr/words/, "$kind: is no file");
    is(field($r, 'Content-Disposition'), '', "$kind: and not called one");
}
got('error_page', fetch('/page/?f=s404'), 404, 'sorry', @none);
got('error_page, denied', fetch('/page/?f=s403'), 404, 'sorry', @none);
got('error_page, broken', fetch('/page/?f=s500'), 503, 'sorry', @none);
unlike(fetch("/words/?f=s$_")->{body}, qr/words/, "error_page, but no proxy_intercept_errors: $_: no word of the origin") for 403, 404, 500;
alive('after');



=== an origin that is not there
--- http_config
download_storage gone url=http://127.0.0.1:1/x/ via=/_gone/;
--- config
location /gone/ { download storage gone; }
location /_gone/ { internal; proxy_pass $download_url; }
--- story
got('gone', fetch('/gone/x'), 502, undef, '! Content-Disposition');
alive('after');



=== bodies that break off, are too short or too long: never a false end
--- config
location /unbuffered/ { download http http://127.0.0.1:ORIGIN/files/$arg_f; }
location /v10/ { download http http://127.0.0.1:ORIGIN/files/$arg_f; }
--- story
my $cut = sub { my ($head, @data) = @_; sub { send_to($_[1], "HTTP/1.1 200 OK\r\n$head\r\n\r\n"); for (@data) { sleep 0.1; send_to($_[1], $_) } undef } };
says_origin(short => $cut->('Content-Length: 20', $ten), none => $cut->('Content-Length: 20'), large => $cut->('Content-Length: ' . (length($large) + 1), $large), chunked => $cut->('Transfer-Encoding: chunked', "a\r\n$ten\r\n"), chunk => $cut->('Transfer-Encoding: chunked', "14\r\n$ten"),
    long => $cut->('Content-Length: 10', "${ten}more"), bad_chunk => $cut->('Transfer-Encoding: chunked', "a\r\n$ten\r\nzz\r\n"), whole => $cut->('Content-Length: 10', $ten), stalls => sub { send_to($_[1], "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n$ten"); sleep 2; undef });
for my $name (qw(short none large chunked chunk bad_chunk stalls)) {
    my $s = dial();
    send_to($s, GET("/http/?f=$name", 'Connection: keep-alive'));
    my $r = response($s);
    ok($r->{status} >= 500 || !$r->{whole}, "$name: no false end") or diag("$r->{status} " . length $r->{body});
    ok(closed($s), "$name: the connection is closed") if $r->{status} == 200;
}
got('long', fetch('/http/?f=long'), 200, $ten, 'Content-Length: 10');
got('whole', fetch('/http/?f=whole'), 200, $ten);
my $r = fetch('/http/?f=chunked HTTP/1.0');
ok(!(field($r, 'Content-Length') ne '' && $r->{whole}) , 'HTTP/1.0: no length that was met');
alive('after');



=== ranges that the origin makes up
--- story
my $part = sub { my ($range, $body) = @_; [206, $body, "Content-Range: bytes $range", 'ETag: "o"'] };
says_origin(right => $part->('2-4/10', '234'), unasked => $part->('0-4/10', '01234'), other => $part->('5-7/10', '567'), more => $part->('2-9/10', '23456789'), junk => $part->('a-b', '234'), none => [206, '234']);
got('right', fetch('/http/?f=right', 'Range: bytes=2-4'), 206, '234', 'Content-Range: bytes 2-4/10');
for my $name (qw(unasked junk none)) {
    my $r = fetch("/http/?f=$name");
    isnt($r->{status}, 200, "$name: a part is not called the whole");
}
for my $name (qw(other more)) {
    my $r = fetch("/http/?f=$name", 'Range: bytes=2-4');
    ok($r->{status} >= 400 || $r->{status} == 206 && field($r, 'Content-Range') =~ /^bytes (\d+)-(\d+)\/10$/ && $2 - $1 + 1 == length $r->{body}, "$name: says what it is");
}
alive('after');



=== what of the client's the origin gets
--- config
underscores_in_headers on;
location /_fetch2/ { internal; proxy_pass $download_url; proxy_set_header Authorization "Bearer ours"; proxy_set_header Cookie "ours=1"; }
location /asked/ { download http http://127.0.0.1:ORIGIN/second/f; }
--- http_config
download_storage second url=http://127.0.0.1:ORIGIN/second/ via=/_fetch2/;
--- story
says_origin(f => [200, $ten, 'ETag: "o"']);
grants(f => qq({"file":{"url":"$base/f"}}), storage => '{"file":{"storage":"remote","path":"f"}}', sendfile => [200, 'stand-in', 'X-Sendfile: /app/remote/f']);
my @secrets = ('Cookie: session=secret', 'Cookie: b=secret', 'Authorization: Basic secret', 'Proxy-Authorization: Basic secret');
for my $path ('/http/?f=f', '/storage/f', '/dl/f', '/dl/storage', '/app/sendfile') {
    got($path, fetch($path, @secrets, 'Range: bytes=0-', 'If-None-Match: "x"', 'X-Fine: 1'), 200, $ten);
    my $asked = asked();
    unlike($asked, qr/secret/i, "$path: no credentials") or diag($asked);
    like($asked, qr/^Range: bytes=0-$/m, "$path: but the range");
    like($asked, qr/^If-None-Match: "x"$/m, "$path: and the condition");
    like($asked, qr/^Host: 127\.0\.0\.1:$origin$/m, "$path: its own name");
}
got('those of the admin', fetch('/asked/', @secrets), 200, $ten);
my $asked = asked();
unlike($asked, qr/secret/i, 'those of the admin: none of the client');
like($asked, qr/^Authorization: Bearer ours$/m, 'those of the admin: are sent');
like($asked, qr/^Cookie: ours=1$/m, 'those of the admin: are sent, cookies too');



=== an origin names no files here
--- http_config
download_storage files root=$TEST_NGINX_SERVER_ROOT/html/files;
download_storage all url=http://127.0.0.1:ORIGIN/all/ via=/_all/;
--- config
download_rule /local/ files;
location /all/ { download http http://127.0.0.1:ORIGIN/all/$arg_f; }
location /_all/ { internal; download_intercept all; proxy_pass $download_url; }
location @here { return 200 secret; }
--- user_files eval
[['files/kept.txt', 'secret']]
--- story
my $path = servroot() . '/html/secret.txt';
says_origin(accel => [200, $ten, 'X-Accel-Redirect: /inner/secret.txt'], named => [200, $ten, 'X-Accel-Redirect: @here'], outside => [200, $ten, "X-Sendfile: $path"], sendfile => [200, $ten, 'X-Sendfile: /local/kept.txt'], temporary => [200, $ten, 'X-Sendfile-Temporary: /local/kept.txt'],
    parts => [200, $ten, 'X-Sendfile2: /local/kept.txt 0-'], rule => [200, $ten, 'X-Accel-Redirect: /local/kept.txt'], grant => [200, '{"file":{"storage":"files","path":"kept.txt"}}', 'Content-Type: application/vnd.nginx-download.grant+json']);
for my $name (qw(accel named outside sendfile temporary parts rule grant)) {
    for my $where ('http', 'all') {
        my $r = fetch("/$where/?f=$name");
        unlike($r->{body}, qr/^secret/, "$where, $name: no file of ours");
        is(field($r, 'X-Accel-Redirect'), '', "$where, $name: and no word of it");
    }
}
sleep 0.1;
ok(-e servroot() . '/html/files/kept.txt', 'and nothing is deleted');
alive('after');



=== slices, and a cache
--- http_config
proxy_cache_path $TEST_NGINX_SERVER_ROOT/app_cache keys_zone=z:1m;
download_storage sliced url=http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/x/ via=/_sliced/;
download_storage cached url=http://127.0.0.1:ORIGIN/cached/ via=/_cached/;
--- config
location /slices/ { download storage sliced; }
location /cache/ { download storage cached; }
location /dls/ { download object /_ask$uri; }
location /_sliced/ { internal; slice 64k; proxy_cache z; proxy_cache_key $download_url$slice_range; proxy_set_header Range $slice_range; proxy_cache_valid 200 206 1h; proxy_pass $download_url; }
location /_cached/ { internal; proxy_cache z; proxy_cache_key $download_url; proxy_cache_valid 200 1h; proxy_cache_revalidate on; proxy_pass $download_url; }
--- story
says_origin(f => [200, $ten, 'ETag: "o"', 'Accept-Ranges: bytes']);
grants(sliced => '{"file":{"storage":"sliced","path":"large.txt"},"basename":"g.txt","headers":{"X-Grant":"1"}}', version => '{"file":{"storage":"sliced","path":"large.txt"},"etag":"\"g\""}', private => '{"file":{"storage":"cached","path":"f"},"headers":{"X-User":"a"}}', other => '{"file":{"storage":"cached","path":"f"},"headers":{"X-User":"b"}}');
for my $time (1 .. 2) {
    for my $path ('/slices/large.txt', '/dls/sliced', '/dls/version') {
        got("$time: $path", fetch($path), 200, $large, 'Content-Length: ' . length $large, $path =~ /sliced/ ? ('X-Grant: 1', 'Content-Disposition: attachment; filename="g.txt"') : ());
        got("$time: $path, range", fetch($path, 'Range: bytes=100000-299999'), 206, substr($large, 100_000, 200_000), 'Content-Range: bytes 100000-299999/' . length $large);
        got("$time: $path, suffix", fetch($path, 'Range: bytes=-100'), 206, substr $large, -100);
        got("$time: $path, HEAD", fetch("HEAD $path"), 200, '', 'Content-Length: ' . length $large);
        got("$time: $path, beyond", fetch($path, 'Range: bytes=9999999-'), 416, undef);
    }
    got("$time: a small file", fetch('/slices/ten.txt'), 200, $ten);
    got("$time: missing", fetch('/slices/missing'), 404, undef);
    got("$time: 304", fetch('/dls/version', 'If-None-Match: "g"'), 304, undef);
}
asked();
for my $time (1 .. 3) {
    got("$time: cached", fetch('/cache/f'), 200, $ten, 'ETag: "o"', 'Content-Disposition: attachment; filename="f"', '! X-User');
    got("$time: cached, for one", fetch('/dls/private'), 200, $ten, 'X-User: a');
    got("$time: cached, for another", fetch('/dls/other'), 200, $ten, 'X-User: b');
    got("$time: cached, range", fetch('/cache/f', 'Range: bytes=2-4'), 206, '234', 'Content-Range: bytes 2-4/10');
    got("$time: cached, HEAD", fetch('HEAD /cache/f'), 200, '', 'Content-Length: 10');
}
is(() = asked() =~ m{^GET /}mg, 1, 'the origin was asked once');
alive('after');



=== options of the location
--- config
location /gzip/ { download storage static; gzip on; gzip_types text/plain; gzip_min_length 1; }
location /limited/ { download storage static; limit_rate 2m; }
location /sub/ { download storage static; sub_filter "line 1\n" "LINE ONE\n"; sub_filter_types *; }
location /rules/ { download storage static; limit_except GET { deny all; } }
location /if/ { if ($arg_x) { set $dummy 1; } download storage static ten.txt; }
location = /ssi.html { ssi on; }
--- user_files eval
[['ssi.html', '[<!--#include virtual="/http/?f=f" -->][<!--#include virtual="/static/?f=ten.txt" -->][<!--#include virtual="/gen/x" -->]']]
--- story
says_origin(f => [200, $ten]);
got('gzip, none asked for', fetch('/gzip/large.txt'), 200, $large);
got('limited', fetch('/limited/large.txt'), 200, $large);
got('in if', fetch('/if/?x=1'), 200, $ten);
my $r = fetch('/ssi.html');
like($r->{body}, qr/^\[$ten\]\[$ten\]/, 'SSI');
alive('after');



=== variables
--- config
location /seen/ { download http http://127.0.0.1:ORIGIN/seen/$arg_f; }
location /_seen/ { internal; proxy_pass $download_url; add_header X-Seen "$download_view|$download_source|$download_storage|$download_url|$download_basename|$download_grant|$download_failure" always; }
location /seen-dl/ { download object /_ask$uri; }
access_log $TEST_NGINX_SERVER_ROOT/logs/story.log story;
location /log/ { download http http://127.0.0.1:ORIGIN/seen/$arg_f; }
--- http_config
log_format story '$request_uri|$download_view|$download_url|$download_failure|$download_bytes_sent|$status';
download_storage seen url=http://127.0.0.1:ORIGIN/seen/ via=/_seen/;
--- story
says_origin('a%20b' => [200, $ten], f => [200, $ten], denied => [403, 'no'], broken => [500, 'x']);
grants(url => qq({"file":{"url":"http://127.0.0.1:$origin/seen/f"}}), storage => '{"file":{"storage":"seen","path":"a b"}}');
my $seen = sub { field(fetch($_[0]), 'X-Seen') };
is($seen->('/seen/?f=f'), "http|url|seen|http://127.0.0.1:$origin/seen/f|f|none|", 'http');
is($seen->('/seen-dl/url'), "object|url|seen|http://127.0.0.1:$origin/seen/f|f|asked|", 'a grant by URL');
is($seen->('/seen-dl/storage'), "object|storage|seen|http://127.0.0.1:$origin/seen/a%20b|a b|asked|", 'a grant by storage');
fetch("/seen/?f=$_"), fetch("/log/?f=$_") for qw(f denied broken);
fetch('/log/?f=../x');
wait_for { slurp(servroot() . '/logs/story.log') =~ /bad_path/ };
my $log = slurp(servroot() . '/logs/story.log');
like($log, qr{^/log/\?f=f\|http\|http://127.0.0.1:\d+/seen/f\|-\|10\|200$}m, 'log: a file');
like($log, qr{^/log/\?f=denied\|http\|http://127.0.0.1:\d+/seen/denied\|target_missing\|\d+\|404$}m, 'log: denied');
like($log, qr{^/log/\?f=broken\|http\|http://127.0.0.1:\d+/seen/broken\|target_error\|\d+\|502$}m, 'log: broken');
like($log, qr{^/log/\?f=../x\|http\|-\|bad_path\|\d+\|404$}m, 'log: a bad path');



=== virtual: another location makes the body
--- config
location /gen/ { download virtual /_gen$uri?x=1&y=$arg_y; }
location /name/ { download virtual /_gen; download_basename "$arg_n.txt"; download_mimetype application/x-made; download_header X-Ours 1; download_attachment on; }
location /file/ { download virtual /_files/$arg_f; }
location /proxied/ { download virtual /_proxied/$arg_f; }
location /whole/ { download virtual $arg_u; }
location /away/ { download virtual /_away; }
location /denied/ { download virtual /_denied; }
location /broken/ { download virtual /_broken; }
location /nowhere/ { download virtual /_nowhere; }
location /circle/ { download virtual /circle/x; }
location /chain/ { download virtual /file/?f=ten.txt; }
location /_gen { internal; default_type text/x-made; return 200 "$request_method $uri $args"; }
location /_files/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
location /_proxied/ { internal; proxy_pass http://127.0.0.1:ORIGIN; }
location /_away { internal; return 302 /elsewhere; }
location /_denied { internal; deny all; }
location /_broken { internal; return 500; }
location /foreign/ { download virtual /_proxied/accel; }
--- story
says_origin(f => [200, $ten, 'ETag: "o"', 'Content-Disposition: inline; filename="o"', 'Set-Cookie: o=1', 'X-Made: 1', 'Content-Type: text/csv'], gone => [404, 'words', 'X-Made: 1'], cut => sub { send_to($_[1], "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n$ten"); undef });
got('arguments', fetch('/gen/a?y=2&z=3'), 200, 'GET /_gen/gen/a x=1&y=2', 'Content-Type: text/x-made', 'Content-Disposition: attachment; filename="a"');
got('arguments of a client are no others', fetch('/gen/a%3Fq=1?y='), 200, 'GET /_gen/gen/a?q=1 x=1&y=');
got('HEAD', fetch('HEAD /gen/a'), 200, '', 'Content-Length: ' . length 'HEAD /_gen/gen/a x=1&y=');
got('POST', fetch('POST /gen/a', 'Content-Length: 0'), 405, undef);
got('options', fetch('/name/?n=q'), 200, 'GET /_gen ', 'Content-Type: application/x-made', 'X-Ours: 1', q(Content-Disposition: attachment; filename="q.txt"));
got('a file', fetch('/file/?f=ten.txt'), 200, $ten, 'Content-Disposition: attachment; filename="ten.txt"', 'Content-Type: text/plain', 'ETag: "65937d25-a"');
got('a file, range', fetch('/file/?f=ten.txt', 'Range: bytes=2-4'), 206, '234', 'Content-Disposition: attachment; filename="ten.txt"');
got('a file, 304', fetch('/file/?f=ten.txt', 'If-None-Match: "65937d25-a"'), 304, undef);
got('a file, missing', fetch('/file/?f=missing'), 404, undef, '! Content-Disposition');
got('a folder', fetch('/file/?f=sub'), 404, undef, '! Location');
got('proxied', fetch('/proxied/?f=f'), 200, $ten, 'Content-Type: text/csv', 'X-Made: 1', 'Content-Disposition: attachment; filename="f"');
got('proxied, missing', fetch('/proxied/?f=gone'), 404, qr/<html>/, '! X-Made');
ok(!fetch('/proxied/?f=cut')->{whole}, 'proxied, broken off');
got("up: $_", fetch("/file/?f=$_"), 404, undef) for '../secret.txt', '..';
got("no URI: $_", fetch("/whole/?u=$_"), 404, undef) for '', 'x', 'http://127.0.0.1/', '/../x', '/_files/../../secret.txt', '@named';
got('a URI', fetch('/whole/?u=/_files/ten.txt'), 200, $ten);
got('away', fetch('/away/'), 404, undef, '! Location', '! Content-Disposition');
got('denied', fetch('/denied/'), 404, undef, '! Content-Disposition');
got('broken', fetch('/broken/'), 502, undef, '! Content-Disposition');
got('nowhere', fetch('/nowhere/'), 404, undef, '! Content-Disposition');
got('a chain', fetch('/chain/'), 200, $ten);
cmp_ok(fetch('/circle/')->{status}, '>=', 500, 'a circle ends');
alive('after');



=== no descriptor is lost with clients that go away
--- config
location /limited/ { download storage static; limit_rate 20k; }
location /slow/ { download http http://127.0.0.1:ORIGIN/files/$arg_f; }
--- story
says_origin(slow => sub { sleep 0.5; answer(200, $ten) }, endless => sub { send_to($_[1], "HTTP/1.1 200 OK\r\n\r\n"); my $end = time + 5; while (time < $end) { local $SIG{PIPE} = 'IGNORE'; syswrite $_[1], 'x' x 65536 or last } note('end'); undef }, cut => sub { send_to($_[1], "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n$ten"); undef }, f => [200, $ten]);
burst(map { GET($_) } '/limited/ten.txt', '/static/?f=large.txt', '/slow/?f=cut', '/slow/?f=f', '/slow/?f=missing');
sleep 0.3;
my $before = descriptors();
for (1 .. 5) {
    burst(map { GET($_) } '/static/?f=large.txt', '/slow/?f=cut', '/slow/?f=f', '/slow/?f=missing', '/http/?f=../x');
    for my $end (sub { close shift }, \&reset_of) {
        for my $path ('/limited/large.txt', '/static/?f=large.txt', '/slow/?f=slow', '/slow/?f=endless') {
            my $s = dial(rcvbuf => 4096);
            send_to($s, GET($path));
            sysread $s, my $head, 1000 unless $path =~ /=slow/;
            $end->($s);
        }
    }
}
no_descriptor_more($before, 'after');
alive('after');



=== reload while a file of another server is on its way
--- config
location /limited/ { download storage static; limit_rate 200k; limit_rate_after 100k; }
--- story
my @long = map { my $s = dial(); send_to($s, GET('/limited/large.txt')); $s } 1 .. 3;
sleep 0.1;
ok(reload(), 'reloaded');
got('after the reload', fetch('/static/?f=ten.txt'), 200, $ten);
got('on its way during the reload', response($_), 200, $large) for @long;



=== nginx -t: url= without via=
--- http_config
download_storage x url=http://a.example/x/;
--- must_die
--- error_log
"download_storage" directive: url= needs via=



=== nginx -t: via= without url=
--- http_config
download_storage x via=/_x/;
--- must_die
--- error_log
"download_storage" directive:



=== nginx -t: via= with root=
--- http_config
download_storage x root=/tmp via=/_x/;
--- must_die
--- error_log
via= goes with url=



=== nginx -t: url= and root=
--- http_config
download_storage x url=http://a.example/x/ root=/tmp;
--- must_die
--- error_log
takes one of root=, location= and url=



=== nginx -t: url= without a slash at its end
--- http_config
download_storage x url=http://a.example/x via=/_x/;
--- must_die
--- error_log
the URL must end in a slash



=== nginx -t: url= without a path
--- http_config
download_storage x url=http://a.example via=/_x/;
--- must_die
--- error_log
the URL must end in a slash



=== nginx -t: url= with a query
--- http_config
download_storage x url=http://a.example/x/?y=/ via=/_x/;
--- must_die
--- error_log
the URL must end in a slash, without query or fragment



=== nginx -t: url= of another scheme
--- http_config
download_storage x url=ftp://a.example/x/ via=/_x/;
--- must_die
--- error_log
the URL must begin with http:// or https://



=== nginx -t: url= with a user
--- http_config
download_storage x url=http://me@a.example/x/ via=/_x/;
--- must_die
--- error_log
the URL must name a host, and no user



=== nginx -t: url= of a unix socket
--- http_config
download_storage x url=http://unix:/run/x:/ via=/_x/;
--- must_die
--- error_log
"download_storage" directive: url=



=== nginx -t: url= that leads up
--- http_config
download_storage x url=http://a.example/x/%2e%2e/ via=/_x/;
--- must_die
--- error_log
".." segment



=== nginx -t: via=/
--- http_config
download_storage x url=http://a.example/x/ via=/;
--- must_die
--- error_log
would lay open everything



=== nginx -t: via= that is no URI
--- http_config
download_storage x url=http://a.example/x/ via=_x/;
--- must_die
--- error_log
"download_storage" directive: via="_x/"



=== nginx -t: url= twice
--- http_config
download_storage x url=http://a.example/x/ url=http://b.example/x/;
--- must_die
--- error_log
"url=http://b.example/x/" is given twice



=== nginx -t: url= that is empty
--- http_config
download_storage x url= via=/_x/;
--- must_die
--- error_log
"url=" is empty



=== nginx -t: symlinks= with url=
--- http_config
download_storage x url=http://a.example/x/ via=/_x/ symlinks=on;
--- must_die
--- error_log
invalid number of arguments in "download_storage" directive



=== nginx -t: download http without a URL
--- config
location /x/ { download http; }
--- must_die
--- error_log
wrong number of arguments for the view "http"



=== nginx -t: download virtual without a URI
--- config
location /x/ { download virtual; }
--- must_die
--- error_log
wrong number of arguments for the view "virtual"



=== nginx -t: download virtual, and no URI
--- config
location /x/ { download virtual gen; }
--- must_die
--- error_log
"gen" is no URI of a location: it must begin with a slash



=== nginx -t: download virtual of a named location
--- config
location /x/ { download virtual @gen; }
--- must_die
--- error_log
is no URI of a location



=== nginx -t: download http, and no URL at all
--- config
location /x/ { download http /srv/files/x; }
--- must_die
--- error_log
"download" directive:
