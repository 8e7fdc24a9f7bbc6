# That nginx does in locations without directives of the module what it does without the module: three
# nginx with one configuration, one that does not load it, one that does and has no directive of it, one
# with such in other locations. To the same requests they send the same bytes.
#
# How many instructions that takes is held by scripts/bench --gate.

use strict;
use warnings;
use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Apps;
use Wire qw(GET send_to);

my $app = <<'END';
load_module modules/ngx_http_download_module.so;
events {}
http {
    server {
        listen 127.0.0.1:8080;
        listen unix:/srv/run/app.sock;
        default_type text/plain;
        add_header Cache-Control max-age=60 always;

        # what it was asked, and told in fields that steer servers
        location / {
            add_header X-Sendfile    /srv/media/q3.pdf;
            add_header X-Sendfile-Fd 0;
            return 200 "$request|$http_cookie|$http_range|$http_x_accel_redirect|$http_x_sendfile|$http_x_accel_mapping|$http_x_sendfile_type\n";
        }
        location /redirect/ {
            add_header X-Accel-Redirect   /protected/$arg_to;
            add_header X-Accel-Charset    utf-8;
            add_header X-Accel-Limit-Rate 0;
            add_header X-Accel-Buffering  no;
            add_header X-Accel-Expires    60;
            add_header Set-Cookie         a=b;
            add_header Content-Disposition "attachment; filename=\"x\"";
            add_header X-Other            other;
            return 200 "not this\n";
        }
        location /named/ { add_header X-Accel-Redirect @named; return 200 "not this\n"; }
        location /none/ { add_header X-Accel-Redirect /protected/none; return 403 "none\n"; }
        location /grant/ {
            types {}
            default_type application/vnd.nginx-download.grant+json;
            return 200 '{"file": {"storage": "files", "path": "q3.pdf"}}';
        }
        location /status/ { if ($arg_s = 403) { return 403 "the app's 403\n"; } return 500 "the app's 500\n"; }
        location /auth/ { if ($http_cookie) { return 204; } return 403; }
        location /files/ { alias /srv/media/; }
        location /gone/ { return 444; }
    }
}
END

my $conf = <<'END';
load_module modules/ngx_http_download_module.so;
events {}
http {
    include mime.types;
    types { text/html html shtml; }
    proxy_cache_path /srv/run/DIR keys_zone=answers:1m;
    upstream app { server unix:/srv/run/app.sock; keepalive 4; download_descriptors off; }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    charset_map koi8-r utf-8 { C0 D18E; }
    log_format all "$request $status $body_bytes_sent $upstream_status $sent_http_content_length $sent_http_content_type";
    download_storage files root=/srv/media;
    download_cache_zone zone=grants:1m;
    server_tokens off;
    server {
        listen 127.0.0.1:8080;
        port_in_redirect off;
        access_log logs/all.log all;
        root /srv/media;
        location /plain/ { alias /srv/media/; add_header X-Added $upstream_addr$sent_http_etag always; expires epoch; }
        location /list/ { alias /srv/media/; autoindex on; autoindex_exact_size on; }
        location /page/ { alias /srv/media/page/; index none.html index.html; }
        location /gzip/ { alias /srv/media/; gzip on; gzip_min_length 1; gzip_types text/plain; gzip_vary on; }
        location /sub/ { alias /srv/media/; sub_filter line LINE; sub_filter_once off; sub_filter_types text/plain; }
        location /charset/ { alias /srv/media/; charset koi8-r; source_charset utf-8; override_charset on; charset_types text/plain; }
        location /ssi/ { alias /srv/media/ssi/; ssi on; }
        location /around/ { alias /srv/media/; add_before_body /plain/empty.txt; add_after_body /plain/q3.pdf; addition_types *; }
        location /slice/ { slice 1k; proxy_set_header Range $slice_range; proxy_pass http://app/files/; proxy_cache answers; proxy_cache_valid 200 206 1m; proxy_cache_key $uri$slice_range; }
        location /cached/ { proxy_pass http://app/files/; proxy_cache answers; proxy_cache_valid 200 1m; add_header X-Cache $upstream_cache_status; }
        location /app/ { proxy_pass http://app/; }
        location /passed/ { proxy_pass http://app/; proxy_pass_header X-Accel-Redirect; proxy_ignore_headers X-Accel-Redirect; }
        location /unbuffered/ { proxy_pass http://app/; proxy_buffering off; }
        location /errors/ { proxy_pass http://app/status/; proxy_intercept_errors on; error_page 403 =200 /plain/q3.pdf; error_page 500 @named; }
        location /down/ { proxy_pass http://app/gone/; error_page 502 = /plain/q3.pdf; }
        location /auth/ { auth_request /_auth; alias /srv/media/; }
        location = /_auth { internal; proxy_pass http://app/auth/; proxy_pass_request_body off; proxy_set_header Content-Length ""; }
        location /try/ { try_files /none$uri /sub/in%20sub.txt /q3.pdf @named; }
        location /mirror/ { mirror /app/mirror; alias /srv/media/; }
        location /after/ { post_action /app/after; alias /srv/media/; }
        location /if/ { alias /srv/media/; if ($arg_no) { return 403; } }
        location /only/ { alias /srv/media/; limit_except GET { deny all; } }
        location /slow/ { alias /srv/media/; limit_rate 4m; }
        location /rewrite/ { rewrite ^/rewrite/(.*) /plain/$1 last; }
        location /moved/ { return 301 /plain/q3.pdf; }
        location /protected/ { internal; alias /srv/media/; }
        location @named { return 200 "named $status\n"; }
        error_page 404 /plain/empty.txt;
        location /unknown/ { error_page 404 @named; }

        location /dl/ { download object /_ask/; download_cache grants; download_cache_key $uri; download_cache_valid 1m; }
        location /_ask/ { internal; proxy_pass http://app/grant/; }
        location /signed/ { download storage files; download_signature hmac-sha256 key_file=/srv/media/q3.pdf; }
        location /intercepted/ { download_intercept all; download_rule /protected/ files; proxy_pass http://app/; }
        location = /downloads { download_status; }
    }
}
END

my @requests;
for my $location (qw(/plain /gzip /sub /charset /around /slice /cached /auth /mirror /after /if /only /slow /rewrite /down/x)) {
    my $target = "$location/large.txt";
    push @requests, map { [$target, @$_] } [], ['Range: bytes=5-9'], ['Range: bytes=0-1,5-9,-3'], ['Range: bytes=9999999-'],
        ['If-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT'], ['If-Unmodified-Since: Mon, 01 Jan 2024 03:04:05 GMT'],
        ['If-None-Match: *'], ['If-Match: "none"'], ['Range: bytes=0-0', 'If-Range: "none"'], ['Accept-Encoding: gzip'], ['Cookie: a=b'];
    push @requests, ["HEAD $target"], ["POST $target"], ["DELETE $target"], ["OPTIONS $target"], ["$target HTTP/1.0"],
        ["$location/empty.txt"], ["$location/none"], ["$location/"], ["$location/sp%20ace.txt"], ["$location/%2e%2e/secret.txt"], ["$location/q3.pdf?no=1"];
}
push @requests, map { [$_] } qw(/ /list/ /list/sub /list/sub/ /page/ /page /ssi/ssi.shtml /moved/ /try/x /protected/q3.pdf /unknown/x /nowhere /_auth
    /app /%zz), '/' . 'x' x 9000;
for my $app (qw(/app /passed /unbuffered)) {
    push @requests, map { [$_], ["HEAD $_"] } map { "$app/$_" } 'redirect/?to=q3.pdf', 'redirect/?to=large.txt', 'redirect/?to=none', 'redirect/?to=../secret.txt',
        'named/', 'none/', 'grant/', 'status/?s=403', 'status/', 'files/large.txt', 'files/none';
    push @requests, ["$app/told", 'X-Accel-Redirect: /protected/q3.pdf', 'X-Sendfile: /etc/passwd', 'X-Accel-Mapping: /a=/b', 'X-Sendfile-Type: X-Sendfile', 'Range: bytes=1-2'],
        ["$app/redirect/?to=large.txt", 'Range: bytes=5-9'], ["POST $app/told", 'Content-Length: 3'];
}
push @requests, map { [$_] } '/errors/?s=403', '/errors/', 'TRACE /plain/q3.pdf', 'GARBAGE /plain/q3.pdf', '/plain/q3.pdf HTTP/3.0';

my %bodies = ('Content-Length: 3' => 'abc');
my $pipelined = join('', map { GET($_, 'Connection: keep-alive') } '/plain/q3.pdf', '/app/told', '/app/redirect/?to=q3.pdf', '/none', '/plain/large.txt')
    . GET('/plain/q3.pdf');

my $used = Apps->new(\$conf, 'with its directives elsewhere', sub { dir_of('used') });
$used->put('srv/media/page/index.html', "<p>index</p>\n");
$used->put('srv/media/ssi/ssi.shtml', qq(<!--#echo var="uri" -->, <!--#include virtual="/plain/q3.pdf" -->, <!--#include virtual="/app/told" -->, <!--#include virtual="/app/redirect/?to=q3.pdf" -->.\n));
utime 1704164645, 1704164645, $_ for map { $used->media . "/$_" } keys %Apps::Files, qw(page page/index.html ssi ssi/ssi.shtml sub);
my $backend = $used->beside(\$app, 'the app', \&without_module);
my $stock  = $used->beside(\$conf, 'without the module', sub { without_directives(); without_module(); dir_of('stock') });
my $loaded = $used->beside(\$conf, 'with the module', sub { without_directives(); dir_of('loaded') });
my @sites  = ($backend, $stock, $loaded, $used);
$_->start_nginx for @sites;

# The directives are there, and do what they are for.
like(bytes($used, GET('/dl/x')), qr/^HTTP\/1.1 200 .*\r\n\r\n%PDF/s, 'a download');
unlike(bytes($loaded, GET('/dl/x')), qr/%PDF/, 'without them there is none');

my $alike = 0;
for my $request (@requests) {
    my $body = join '', map { $bodies{$_} // () } @$request;
    my $name = join ', ', map { length > 100 ? substr($_, 0, 20) . '...' : $_ } @$request;
    $alike += compare($name, GET(@$request) . $body);
}
compare('pipelined', $pipelined);
compare('nothing of HTTP', "\x16\x03\x01\r\n\r\n");
compare('HTTP/0.9', "GET /plain/q3.pdf\r\n");
cmp_ok($alike, '>', 300, 'most of them have a response to be compared');
logs_are_alike();
$_->end for reverse @sites;
done_testing();

sub without_directives { s/\bdownload(?:_\w+)? [^;]*;|\bdownload_status;//g }
sub dir_of { my $name = shift; s{/srv/run/DIR}{/srv/run/$name} }
sub without_module { s/^load_module.*\n//m }

# True if they answered.
sub compare {
    my ($name, $request) = @_;
    my ($want, @got) = map { bytes($_, $request) } $stock, $loaded, $used;
    is($got[0], $want, "$name: with the module");
    is($got[1], $want, "$name: with its directives elsewhere");
    return $want =~ m{^HTTP/1.1 };
}

# All that comes, but for what differs between any two moments.
sub bytes {
    my ($site, $request) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $site->{port}) or die "no connection: $!";
    send_to($s, $request);
    my $all = '';
    my $end = time + 15;
    while (time < $end && IO::Select->new($s)->can_read(1 + $end - time)) { sysread $s, $all, 65536, length $all or last }
    $all =~ s/^Date: .*\r\n//mg;
    $all =~ s/\b\d{20}\b/BOUNDARY/g;
    return $all;
}

# What they log of it, in the same words.
sub logs_are_alike {
    my ($want, @got) = map { my $log = Wire::slurp($_->dir . '/logs/all.log'); [sort grep { !m{ /dl/x } } split /\n/, $log] } $stock, $loaded, $used;
    is_deeply($_, $want, 'the access logs say the same') for @got;
    ($want, @got) = map { [sort map { s/\bport \d+|:\d{4,5}\b|\b\d+#\d+: |\*\d+ |^\S+ \S+ //gr } grep { /\[(?:warn|error|crit|alert|emerg)\]/ && !m{ /dl/x } } split /\n/, $_->log] } $stock, $loaded, $used;
    is_deeply($_, $want, 'and the error logs') for @got;
    cmp_ok(scalar @$want, '>', 10, 'of which there are some');
}
