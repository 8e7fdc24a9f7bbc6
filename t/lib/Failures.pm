package Failures;

# Each failure that can be provoked, provoked: what nginx logs then, and what the client gets.

use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256);
use File::Basename qw(dirname);
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64url);
use Test::More;
use Apps;

our @ISA = ('Apps');
my $root = dirname(dirname(dirname(abs_path(__FILE__))));

my $key = 'a key of 32 bytes, or even more?';
my $grant = 'application/vnd.nginx-download.grant+json';

# label => the request that provokes it, or several
my %provokes = (
    method          => 'POST /reports/7',
    bad_path        => ['/public/?name=../secret.txt', '/bad/?to=../admin'],
    unsigned        => '/signed/q3.pdf',
    bad_signature   => [link_of('/signed/q3.pdf', expires => time + 99) . 'x', link_of('/signed/q3.pdf', expires => time + 99) =~ s/q3/q4/r],
    link_expired    => link_of('/signed/q3.pdf', expires => time - 99),
    link_not_yet    => link_of('/signed/q3.pdf', expires => time + 999, not_before => time + 99),
    denied          => ['/reports/denied', '/reports/host', '/whole/7'],
    revoked         => '/remembered/revoked',
    redirected      => '/reports/login',
    app_error       => '/reports/500',
    app_timeout     => '/reports/slow',
    app_unavailable => ['/down/7', '/unresolved/7'],
    answer_cut      => '/reports/cut',
    not_a_grant     => ['/reports/html', '/reports/204', '/reports/gzip', '/nowhere/7'],
    grant_too_large => '/reports/large',
    grant_invalid   => ['/reports/field', '/reports/string', '/reports/empty'],
    unknown_storage => '/reports/media',
    ambiguous       => '/intercepted/two',
    unsupported     => '/intercepted/parts',
    no_descriptor   => ['/reports/descriptor', '/passed/none', '/passed/fourth', '/passed-on/field-bad'],
    bad_descriptor  => [(map { "/passed/$_" } qw(pipe writing two late many)), '/foreign/first'],
    no_rule         => ['/reports/no_rule', '/reports/no_location', '/intercepted/path'],
    outside_root    => ['/reports/outside', '/reports/absolute'],
    symlink         => '/reports/symlink',
    missing         => ['/reports/missing', '/intercepted/quoted'],
    not_a_file      => '/reports/directory',
    unreadable      => '/reports/unreadable',
    target_missing  => '/reports/target_missing',
    target_error    => '/reports/target_error',
    bad_option      => '/public/?name=q3.pdf&type=pdf',
);

# what the app answers, by the last part of the path
my %answers = (
    denied         => [403, 'text/html', 'not for you'],
    host           => [400, 'text/html', 'Bad Request'],
    login          => [302, 'text/html', '', 'Location: /login'],
    500            => [500, 'text/html', 'sorry'],
    204            => [204, 'text/html', ''],
    html           => [200, 'text/html; charset=utf-8', '<h1>Log in</h1>'],
    gzip           => [200, $grant, '{}', 'Content-Encoding: gzip'],
    large          => [200, $grant, '{"file": {"content": "' . 'x' x 70_000 . '"}}'],
    field          => [200, $grant, '{"file": {"storage": "reports", "path": "q3.pdf"}, "name": "Q3.pdf"}'],
    string         => [200, $grant, '{"file": "q3.pdf"}'],
    absolute       => [200, $grant, '{"file": {"storage": "reports", "path": "/srv/reports/q3.pdf"}}'],
    empty          => [200, $grant, ''],
    media          => [200, $grant, '{"file": {"storage": "media", "path": "q3.pdf"}}'],
    descriptor     => [200, $grant, '{"file": {"descriptor": 0}}'],
    no_rule        => [200, $grant, '{"file": {"path": "/app/media/q3.pdf"}}'],
    no_location    => [200, $grant, '{"file": {"location": "/files/q3.pdf"}}'],
    outside        => [200, $grant, '{"file": {"storage": "reports", "path": "../secret.txt"}}'],
    symlink        => [200, $grant, '{"file": {"storage": "reports", "path": "latest.pdf"}}'],
    missing        => [200, $grant, '{"file": {"storage": "reports", "path": "2026/q3.pdf"}}'],
    directory      => [200, $grant, '{"file": {"storage": "reports", "path": "2025"}}'],
    unreadable     => [200, $grant, '{"file": {"storage": "reports", "path": "private/q3.pdf"}}'],
    target_missing => [200, $grant, '{"file": {"location": "/_archive/q1.pdf"}}'],
    target_error   => [200, $grant, '{"file": {"location": "/_archive/broken/q1.pdf"}}'],
    revoked        => [200, $grant, '{"file": {"storage": "reports", "path": "q3.pdf"}, "cache": {"ttl": 60, "tags": ["t"]}}'],
    two            => [200, 'text/html', '', 'X-Sendfile: /srv/reports/q3.pdf', 'X-Accel-Redirect: /protected/q3.pdf'],
    path           => [200, 'text/html', '', 'X-Sendfile: /app/media/q3.pdf'],
    parts          => [200, 'text/html', '', 'X-Sendfile2: /app/archive/q1.pdf 0-4'],
    quoted         => [200, 'text/html', '', 'X-Accel-Redirect: /protected/Q3%2520report.pdf'],
    7              => [200, $grant, '{"file": {"storage": "reports", "path": "q3.pdf"}}'],
);

sub text { <<'END' }
load_module modules/ngx_http_download_module.so;
events {
}
http {
    include mime.types;
    download_storage reports root=/srv/reports;
    download_storage archive location=/_archive/;
    download_cache_zone zone=decisions:1m;
    download_rule /protected/ reports;
    upstream app { server 127.0.0.1:8000; }
    upstream passing { server unix:/srv/passing/app.sock; download_descriptors on; }
    upstream foreign { server unix:/srv/passing/app.sock; download_descriptors on uid=65533; }

    map $http_x_explain $explain { default 0; "some long random word" 1; }
    log_format download '$remote_addr "$request" $status $download_bytes_sent '
                        '$download_file $download_grant_time $download_failure';

    server {
        listen 127.0.0.1:8080;
        server_name files.example;
        access_log logs/download.log download;
        proxy_read_timeout 300ms;
        download_explain $explain;

        location /reports/    { download object /_ask; }
        location /remembered/ { download object /_ask; download_cache decisions; download_cache_key $uri; }
        location = /revoke    { download_revoke; }
        location = /_ask      { internal; proxy_pass http://app$request_uri; }
        location /down/       { download object /_down; }
        location = /_down     { internal; proxy_pass http://127.0.0.1:8001; }
        location /unresolved/ { download object /_unresolved; }
        location = /_unresolved { internal; proxy_pass http://app.example:8000$request_uri; }
        location /whole/      { download object /_whole$uri; }
        location /_whole/     { internal; proxy_pass http://app; }
        location /nowhere/    { download object /typo; }
        location /bad/        { download object /_ask/$arg_to; }
        location /public/     { download storage reports $arg_name; download_mimetype $arg_type; }
        location /signed/     { download storage reports; download_signature hmac-sha256 key_file=key; }
        location /intercepted/ { download_rule /protected/ reports; download_rule /app/archive/ archive; download_intercept all; proxy_pass http://app; }
        location /passed/     { download object /_passed$uri; }
        location /_passed/    { internal; proxy_pass http://passing; }
        location /passed-on/  { download_intercept all; proxy_pass http://passing; }
        location /foreign/    { download object /_foreign$uri; }
        location /_foreign/   { internal; proxy_pass http://foreign; }
        location /_archive/   { internal; alias /srv/archive/; }
        location /_archive/broken/ { internal; return 500; }
        location = /typo      { return 200 "It works!\n"; }
    }
}
END

sub new {
    my $class = shift;
    my $self = $class->SUPER::new('failures.conf');
    $self->put('key', "$key\n");
    $self->put("srv/reports/$_", "%PDF\n") for 'q3.pdf', '2025/q1.pdf', 'private/q3.pdf';
    symlink 'q3.pdf', "$self->{srv}/reports/latest.pdf" or die "symlink: $!";
    # a worker that may not read everything
    if ($> == 0) {
        my $group = getgrgid((getpwnam('nobody'))[3]);
        my $conf = Wire::slurp($self->{conf}) =~ s/^user root;/user nobody $group;/r;
        $self->put('failures.conf', $conf);
        (my $above = $self->{dir}) =~ s{/[^/]+\z}{};
        chmod 0755, $above, $self->{dir}, $self->{srv} or die "chmod: $!";
    }
    chmod 0, "$self->{srv}/reports/private" or die "chmod: $!";
    return $self;
}

# label => [[request, status, what is logged]...]; what nginx and the app say of files is as if
# they were in /srv.
sub provoke {
    my $self = shift;
    $self->background(sub { $self->app });
    mkdir "$self->{srv}/passing" or die "mkdir: $!";
    $self->start({}, 'python3', "$root/t/apps/passing.py", "$self->{srv}/passing", "$self->{srv}/passing/app.sock");
    $self->start_nginx;
    $self->ask_port($self->{port}, '/reports/7', 'Host: files.example');        # for the access log
    my %seen;
    for my $label (sort keys %provokes) {
        for my $request (ref $provokes{$label} ? @{$provokes{$label}} : $provokes{$label}) {
            my $before = length $self->log;
            my $r = $self->ask_port($self->{port}, $request, 'Host: files.example');
            my $more;
            Wire::wait_for(sub { ($more = substr $self->log, $before) =~ /download \w+: \w+: / });
            push @{$seen{$label}}, [$request, $r->{status}, $self->as_if($more)];
        }
    }
    chmod 0755, "$self->{srv}/reports/private";
    return \%seen;
}

# What download_explain says of a request.
sub account {
    my ($self, $request) = @_;
    return $self->as_if($self->ask_port($self->{port}, $request, 'Host: files.example', 'X-Explain: some long random word')->{body});
}

sub as_if {
    my ($self, $text) = @_;
    return $text =~ s{\Q$self->{srv}\E}{/srv}gr =~ s{\b127\.0\.0\.1:$self->{port}\b}{127.0.0.1:8080}gr
        =~ s{\ba process of the user $<\b}{a process of the user 1000}gr
        =~ s{\b127\.0\.0\.1:$self->{app_port}\b}{127.0.0.1:8000}gr =~ s{\b127\.0\.0\.1:$self->{remote_port}\b}{127.0.0.1:8001}gr;
}

sub app {
    my $self = shift;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $self->{app_port}, Listen => 16, ReuseAddr => 1)
        or die "the app: $!";
    while (my $s = $listener->accept) {
        my $head = '';
        while ($head !~ /\r\n\r\n/) { sysread $s, $head, 65536, length $head or last }
        my ($name) = $head =~ m{^\w+ \S*?([^/? ]+)(?:\?\S*)? HTTP} or next;
        if ($name eq 'slow') { select undef, undef, undef, 0.6 }
        if ($name eq 'revoked') { $self->ask_port($self->{port}, 'POST /revoke?tag=t', 'Content-Length: 0') }
        my ($status, $type, $body, @lines) = @{$head !~ m{^GET /_} && $answers{$name} || [404, 'text/html', 'no such thing']};
        my $length = length $body;
        if ($name eq 'cut') { ($status, $type, $body, $length) = (200, $grant, '{"file"', 99) }
        print $s join "\r\n", "HTTP/1.1 $status X", "Content-Type: $type", "Content-Length: $length", 'Connection: close', @lines, '', $body;
        close $s;
    }
}

# A link signed by hmac-sha256.
sub link_of {
    my ($path, @claims) = @_;
    my $url = $path;
    while (my ($name, $value) = splice @claims, 0, 2) { $url .= ($url =~ /\?/ ? '&' : '?') . "$name=$value" }
    return "$url&signature=" . encode_base64url(hmac_sha256($url, $key));
}

1;
