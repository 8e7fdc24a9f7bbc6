# vi:ft=
# download_health: each part that can be guilty, alone; who asks the app, and how often; probes
# that go away.
#
# `story` is Perl that runs before the request of the block. /health/KIND asks the app below, and
# KIND says how it answers; `worker_user` is who the workers run as.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Cwd ();
use JSON::PP ();
use Time::HiRes qw(sleep time);
use Got qw(no_descriptor_more);
use Wire;

no_root_location();
no_long_string();
master_on();

our $html;
my $home = Cwd::getcwd();

add_block_preprocessor(sub {
    my $block = shift;
    my $root = '$TEST_NGINX_SERVER_ROOT/html';
    $html = servroot() . '/html';
    workers($block->worker_processes // 1);
    $block->set_value(http_config => <<"END" . ($block->http_config // ''));
download_storage media root=$root/media;
upstream app { server unix:$root/app.sock; }
END
    $block->set_value(config => <<"END" . ($block->config // '')) unless defined $block->must_die;
location = /ready { return 200 ready; }
location = /health { download_health; }
location /_ask/ { internal; proxy_pass http://app; proxy_read_timeout 400ms; }
location ~ ^/health/(?<kind>\\w+)\$ { download_health ask=/_ask/\$kind valid=0; }
END
    $block->set_value(user_files => [
        ['media/a.txt', 'inside'], ['media/sub/b.txt', 'inside'], ['outside/secret.txt', 'SECRET'], @{ $block->user_files // [] },
    ]);
    my $skip = defined $block->worker_user && $> != 0;
    $block->set_value(init => 'package main; our $html;' . ($block->story // ''));
    $block->set_value(request => 'GET /ready') unless defined $block->request || defined $block->must_die;
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n") unless defined $block->no_error_log || defined $block->must_die;
    as_user($block->worker_user // 'root') if $> == 0;
    $block->set_value(skip_eval => '5: 1') if $skip;
});

# The report of a probe, as Perl sees it.
sub probe {
    my $r = fetch(@_ ? @_ : '/health');
    my $report = eval { JSON::PP->new->utf8->decode($r->{body}) } // {};
    return { %$r, report => $report, checks => $report->{checks} // {} };
}

# Did all pass?
sub passes {
    my ($r, $names, $what) = @_;
    is($r->{status}, 200, "$what: 200") or diag($r->{body});
    is($r->{report}{status}, 'pass', "$what: pass");
    is(join(' ', sort keys %{ $r->{checks} }), join(' ', sort split ' ', $names), "$what: what was looked at");
    is(join(' ', grep { $r->{checks}{$_}{status} ne 'pass' } keys %{ $r->{checks} }), '', "$what: all pass");
}

# Is this one guilty, for that reason, and no other?
sub guilty {
    my ($r, $name, $why, $what) = @_;
    is($r->{status}, 503, "$what: 503");
    is($r->{report}{status}, 'fail', "$what: fail");
    is(join(' ', grep { $r->{checks}{$_}{status} ne 'pass' } sort keys %{ $r->{checks} }), $name, "$what: who is guilty");
    like($r->{checks}{$name}{detail}, $why, "$what: why");
    unlike($r->{body}, qr/SECRET/, "$what: nothing of a file");
}

sub app_answers {
    my ($request, $connection) = @_;
    my ($kind) = $request =~ m{^GET /_ask/(\w+)} or return answer(500, 'what?');
    note("asked $kind");
    my $file = sub { grant(qq({"file":$_[0]})) };
    return $file->('{"storage":"media","path":"a.txt"}') if $kind eq 'ok';
    return $file->('{"storage":"media","path":"none.txt"}') if $kind eq 'missing';
    return $file->('{"storage":"media","path":"../outside/secret.txt"}') if $kind eq 'outside';
    return $file->('{"storage":"media","path":"sub"}') if $kind eq 'folder';
    return $file->('{"storage":"media","path":"link.txt"}') if $kind eq 'link';
    return $file->('{"storage":"medai","path":"a.txt"}') if $kind eq 'unknown';
    return $file->('{"path":"/elsewhere/a.txt"}') if $kind eq 'norule';
    return $file->('{"path":"/app/a.txt"}') if $kind eq 'rule';
    return $file->('{"location":"/internal/a.txt"}') if $kind eq 'at';
    return $file->('{"location":"/internal/none.txt"}') if $kind eq 'notat';
    return $file->('{"url":"http://origin/files/a%20b.txt"}') if $kind eq 'url';
    return $file->('{"content":"hello"}') if $kind eq 'content';
    return $file->('{"descriptor":0}') if $kind eq 'descriptor';
    return grant('{"file":{"storage":"media","path":"a.txt"},"basname":"x"}') if $kind eq 'junk';
    return grant('{"file":{"storage":"media","path":"a.txt"}}' . ' ' x 70_000) if $kind eq 'large';
    return answer(200, '<p>Welcome</p>', 'Content-Type: text/html') if $kind eq 'page';
    return answer(403, 'no', 'Content-Type: text/plain') if $kind eq 'no';
    return answer(404, 'no', 'Content-Type: text/plain') if $kind eq 'lost';
    return answer(302, '', 'Location: /login') if $kind eq 'login';
    return answer(500, 'broken') if $kind eq 'broken';
    return answer(204, '') if $kind eq 'nothing';
    return answer(200, '', 'X-Sendfile: /app/a.txt') if $kind eq 'sendfile';
    return answer(200, '', 'X-Sendfile: /app/none.txt') if $kind eq 'sendnone';
    return answer(200, '', 'X-Sendfile-Temporary: /app/a.txt') if $kind eq 'temporary';
    return answer(200, '', 'X-Sendfile2: /app/a.txt 0-2, /app/sub/b.txt 1-') if $kind eq 'parts';
    return answer(200, '', 'X-Sendfile2: /app/a.txt 0-2, /app/none.txt 1-') if $kind eq 'noparts';
    return answer(200, '', 'X-Accel-Redirect: @named') if $kind eq 'named';
    return undef if $kind eq 'silent';      # and the connection closes
    if ($kind =~ /^slow/) {
        if (IO::Select->new($connection)->can_read($kind eq 'slow' ? 1 : 0.3)) { note('closed by nginx'); return undef }
        return $file->('{"storage":"media","path":"a.txt"}');
    }
    my $whole = $file->('{"storage":"media","path":"a.txt"}');
    if ($kind eq 'cut') { send_to($connection, substr $whole, 0, -5); return undef }
    return answer(500, "no such kind: $kind");
}

# How often the app was asked since the last time.
sub asked {
    my $n = () = notes() =~ /^asked/mg;
    unlink "$html/notes";
    return $n;
}

# Is it what docs/health.md shows? Times and users are others there.
sub is_shown {
    my ($name, $uri) = @_;
    my ($shown) = slurp("$home/docs/health.md") =~ /^<!-- \Q$name\E -->\n```json\n(.*?)^```$/ms;
    my $said = fetch($uri)->{body} =~ s/\Q$html\E/\/srv/gr =~ s/uid \d+/uid 33/gr;
    is(timeless($said), timeless($shown), "docs/health.md: $name") or diag($said);
}

sub timeless { $_[0] =~ s/"time_ms": [\d.]+/"time_ms": .../gr }

sub alive {
    my $r = fetch('/ready');
    is("$r->{status} $r->{body}", '200 ready', "@_: the worker is alive and well");
}

run_tests();

__DATA__

=== nothing is wrong
--- http_config
download_storage internal location=/internal/;
download_storage exports url=http://origin/files/ via=/_fetch/;
download_storage links root=$TEST_NGINX_SERVER_ROOT/html/links symlinks=on;
download_cache_zone zone=grants:1m;
download_rule /app/sub/ media:sub;
download_rule /app media;
download_rule /app/ links;
download_rule /far internal;
upstream origin { server unix:$TEST_NGINX_SERVER_ROOT/html/origin.sock; }
--- config
location = /all { download_health ask=/_ask/ok probe=media:a.txt probe=media:./sub//b.txt probe=links:here/b.txt
    probe=internal:a.txt probe=internal:large.txt probe=exports:a.txt probe=exports:b.txt valid=0; }
location /internal/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/media/; }
location /_fetch/ { internal; proxy_pass $download_url; }
--- user_files eval
[['links/x', ''], ['media/large.txt', 'x' x 1_000_000]]
--- story
symlink '../media/sub', "$html/links/here" or die $!;
unlink "$html/links/here"; mkdir "$html/links/real"; make_file('links/real/b.txt', 'inside'); symlink 'real', "$html/links/here" or die $!;
app(app => \&app_answers);
app(origin => sub {
    my ($uri) = $_[0] =~ /^GET (\S+)/;
    note("fetched $uri" . ($_[0] =~ /^(?:Cookie|Authorization|Range|If-)/mi ? ' with what is not for it' : ''));
    return answer(200, 'far away');
});
my @all = qw(storage:media storage:links rule:/app/sub/ rule:/app/ rule:/far/ zone:grants
    probe:media:a.txt probe:media:sub/b.txt probe:links:here/b.txt probe:internal:a.txt probe:internal:large.txt
    probe:exports:a.txt probe:exports:b.txt app end_to_end);
for (1 .. 2) {
    my $r = probe('/all', 'Cookie: user=alice', 'Authorization: Basic x', 'Range: bytes=1-', 'If-None-Match: *');
    passes($r, "@all", 'all');
    my %head = map { @$_ } @{ $r->{headers} };
    is($head{'Content-Type'}, 'application/json', 'Content-Type');
    is($head{'Cache-Control'}, 'no-store', 'Cache-Control');
    is($head{'Content-Length'}, length $r->{body}, 'Content-Length');
    is(scalar(grep { exists $_->{detail} } values %{ $r->{checks} }), 0, 'nothing more to say');
    is(scalar(grep { $_->{time_ms} !~ /^\d+(?:\.\d+)?$/ } values %{ $r->{checks} }), 0, 'times');
    my @order = $r->{body} =~ /^  "([^"]+)"/mg;
    is("@order", "@all", 'in this order');
}
is(notes(), "asked ok\nfetched /files/a.txt\nfetched /files/b.txt\nasked ok\n" =~ s/^(asked ok\n)((?:fetched.*\n)+)asked ok\n/$2$1$2$1/r, 'who was asked for what');



=== without parameters: the storages alone
--- story
passes(probe(), 'storage:media', 'nothing more');
my $r = probe('HEAD /health');
is($r->{status}, 200, 'HEAD');
like($r->{head}, qr/^Content-Length: [1-9]/m, 'HEAD: the length of what GET gets');
is($r->{body}, '', 'HEAD: no body');
for my $method (qw(POST PUT DELETE OPTIONS)) {
    my $r = fetch("$method /health", 'Content-Length: 0');
    is($r->{status}, 405, $method);
    like($r->{head}, qr/^Allow: GET, HEAD\r$/m, "$method: what is allowed");
}
my $s = dial();
send_to($s, GET('/health', 'Content-Length: 3', 'Connection: keep-alive') . 'abc' . GET('/ready'));
is(response($s)->{status}, 200, 'a body is read away');
is(response($s)->{body}, 'ready', 'and the next request is the next request');



=== what a location has besides
--- config
error_page 503 /ready;
add_header X-Added yes always;
expires 1h;
location = /if { if ($arg_x) { set $y 1; } limit_except GET { deny all; } download_health probe=media:a.txt; }
location = /elsewhere { if ($arg_x) { proxy_pass http://app; } download_health; }
location = /nested { download_health; gzip on; gzip_min_length 1; gzip_types application/json; }
--- story
rename "$html/media", "$html/moved" or die $!;
my $r = probe('/nested', 'Accept-Encoding: gzip');
is($r->{status}, 503, '503, and no error_page');
my @values = map { $_->[1] } grep { $_->[0] eq 'Cache-Control' } @{ $r->{headers} };
is("@values", 'no-store', 'expires does not matter');
like($r->{head}, qr/^X-Added: yes/m, 'add_header does');
rename "$html/moved", "$html/media" or die $!;
passes(probe($_), 'storage:media probe:media:a.txt', $_) for '/if', '/if?x=1';
is(fetch('POST /if', 'Content-Length: 0')->{status}, 403, 'limit_except');
app(app => sub { answer(200, 'proxied') });
is(fetch('/elsewhere?x=1')->{body}, 'proxied', 'an if block with a proxy_pass of its own');



=== the root is gone, is no directory, is there again
--- config
location = /probe { download_health probe=media:a.txt valid=0; }
location = /storage { download_health valid=0; }
--- story
rename "$html/media", "$html/moved" or die $!;
guilty(probe('/storage'), 'storage:media', qr{^No such file or directory: \Q$html\E/media; create}, 'gone');
my $r = probe('/probe');
is(join(' ', grep { $r->{checks}{$_}{status} eq 'fail' } sort keys %{ $r->{checks} }), 'probe:media:a.txt storage:media', 'with what is in it');
like($r->{checks}{'probe:media:a.txt'}{detail}, qr/^missing: "a\.txt" in storage "media" .* does not exist \(No such file or directory\); create it/, 'which is missing');
make_file('media', 'no directory');
guilty(probe('/storage'), 'storage:media', qr{media is no directory; replace}, 'a file');
unlink "$html/media";
symlink 'moved', "$html/media" or die $!;
passes(probe('/storage'), 'storage:media', 'a root may be a link');
unlink "$html/media";
rename "$html/moved", "$html/media" or die $!;
passes(probe('/probe'), 'storage:media probe:media:a.txt', 'there again');
--- error_log
[error]
--- no_error_log
[alert]
[crit]



=== a storage that the worker may not search
--- worker_user: nobody
--- config
location = /storage { download_health valid=0; }
location = /rules { download_rule /sub media:sub; download_health valid=0; }
location = /linked { download_rule /sub on:sub; download_health valid=0; }
location = /probe { download_health probe=media:a.txt probe=media:sub/b.txt valid=0; }
location /dl/ { download storage media; }
--- http_config
download_storage on root=$TEST_NGINX_SERVER_ROOT/html/media/sub symlinks=on;
--- user_files eval
[['media/sub/sub/c.txt', '']]
--- story
chmod 0755, servroot(), $html, "$html/media", "$html/media/sub" or die $!;
passes(probe('/storage'), 'storage:media storage:on', 'before');
my $who = (getpwnam 'nobody')[2];
chmod 0000, "$html/media/sub" or die $!;
guilty(probe('/storage'), 'storage:on', qr{^Permission denied: the nginx worker \(uid $who\) may not search \Q$html\E/media/sub, or a folder on the way to it; give}, 'chmod 000');
my $r = probe('/rules');
is($r->{checks}{'rule:/sub/'}{status}, 'fail', 'a rule that leads there');
like($r->{checks}{'rule:/sub/'}{detail}, qr{may not search \Q$html\E/media/sub,}, 'a rule that leads there: why');
$r = probe('/probe');
is($r->{checks}{'probe:media:a.txt'}{status}, 'pass', 'a file beside it');
like($r->{checks}{'probe:media:sub/b.txt'}{detail}, qr{^unreadable: "sub/b\.txt" in storage "media" \S+ may not be read by the nginx worker \(uid $who\) \(Permission denied\); let}, 'a file in it');
is(fetch('/dl/sub/b.txt')->{status}, 404, 'which is no download either');
chmod 0644, "$html/media/sub" or die $!;
guilty(probe('/storage'), 'storage:on', qr{^Permission denied: }, 'to read is not to search');
chmod 0711, "$html/media/sub" or die $!;
passes(probe('/storage'), 'storage:media storage:on', 'to search is enough');
chmod 0000, "$html/media/sub/sub" or die $!;
guilty(probe('/linked'), 'rule:/sub/', qr{may not search \Q$html\E/media/sub/sub,}, 'with symlinks=on');
chmod 0755, "$html/media/sub/sub" or die $!;
chmod 0700, "$html/media" or die $!;
$r = probe('/storage');
is(join(' ', grep { $r->{checks}{$_}{status} eq 'fail' } sort keys %{ $r->{checks} }), 'storage:media storage:on', 'a folder above');
chmod 0755, "$html/media" or die $!;
chmod 0000, "$html/media/a.txt" or die $!;
guilty(probe('/probe'), 'probe:media:a.txt', qr{^unreadable: .*\(uid $who\)}, 'a file');
is(fetch('/dl/a.txt')->{status}, 404, 'as a download');
--- error_log
download storage: unreadable: "sub/b.txt" in storage "media"
download storage: unreadable: "a.txt" in storage "media"



=== files in probe=
--- config
location = /missing { download_health probe=media:none.txt; }
location = /nowhere { download_health probe=media:none/a.txt; }
location = /folder { download_health probe=media:sub; }
location = /link { download_health probe=media:link.txt; }
location = /inlink { download_health probe=media:here/b.txt; }
location = /fifo { download_health probe=media:fifo; }
location = /out { download_health probe=on:out.txt; }
location = /in { download_health probe=on:in.txt; }
location = /cached { download_health probe=media:a.txt valid=0; open_file_cache max=10; open_file_cache_valid 1s; open_file_cache_errors on; }
location = /directio { download_health probe=media:a.txt; directio 1; }
location = /empty { download_health probe=media:empty; }
--- http_config
download_storage on root=$TEST_NGINX_SERVER_ROOT/html/on symlinks=on;
--- user_files eval
[['on/real.txt', 'inside'], ['media/empty', '']]
--- story
symlink 'a.txt', "$html/media/link.txt" or die $!;
symlink 'sub', "$html/media/here" or die $!;
symlink '../outside/secret.txt', "$html/on/out.txt" or die $!;
symlink 'real.txt', "$html/on/in.txt" or die $!;
system('mkfifo', "$html/media/fifo") == 0 or die;
guilty(probe('/missing'), 'probe:media:none.txt', qr/^missing: .*; create it, or correct/, 'missing');
guilty(probe('/nowhere'), 'probe:media:none/a.txt', qr/^missing: /, 'nowhere');
guilty(probe('/folder'), 'probe:media:sub', qr/^not_a_file: "sub" .* is a directory, not a file/, 'a folder');
guilty(probe('/link'), 'probe:media:link.txt', qr/^symlink: .*; replace the link/, 'a link');
guilty(probe('/inlink'), 'probe:media:here/b.txt', qr/^symlink: /, 'below a link');
guilty(probe('/fifo'), 'probe:media:fifo', qr/^not_a_file: .* is a FIFO/, 'a FIFO');
guilty(probe('/out'), 'probe:on:out.txt', qr/^outside_root: /, 'a link that leads out');
passes(probe('/in'), 'storage:media storage:on probe:on:in.txt', 'a link inside');
passes(probe('/directio'), 'storage:media storage:on probe:media:a.txt', 'directio');
passes(probe('/empty'), 'storage:media storage:on probe:media:empty', 'an empty file');
passes(probe('/cached'), 'storage:media storage:on probe:media:a.txt', 'open_file_cache') for 1 .. 2;
unlink "$html/media/a.txt";
sleep 1.1;
guilty(probe('/cached'), 'probe:media:a.txt', qr/^missing: /, 'open_file_cache, gone') for 1 .. 2;
make_file('media/a.txt', 'inside');
# the cache opens it again, sooner or later
ok(wait_for(sub { probe('/cached')->{status} == 200 }), 'open_file_cache, there again');
my $before = descriptors();
probe($_) for ('/in', '/cached', '/missing') x 10;
no_descriptor_more($before, 'after');



=== files behind locations and on other servers
--- http_config
download_storage internal location=/internal/;
download_storage exports url=http://origin/files/ via=/_fetch/;
download_storage down url=http://nobody/files/ via=/_down/;
upstream origin { server unix:$TEST_NGINX_SERVER_ROOT/html/origin.sock; }
upstream nobody { server 127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- config
location = /missing { download_health probe=internal:none.txt; }
location = /denied { download_health probe=internal:denied/x; }
location = /moved { download_health probe=internal:moved/x; }
location = /page { download_health probe=internal:page/x; }
location = /view { download_health probe=internal:view/a.txt; }
location = /noview { download_health probe=internal:view/none.txt; }
location = /far { download_health probe=exports:a%20b.txt; }
location = /farmissing { download_health probe=exports:missing; }
location = /farcut { download_health probe=exports:cut; }
location = /farslow { download_health probe=exports:slow; }
location = /fartrick { download_health probe=exports:trick; }
location = /down { download_health probe=down:a.txt; }
location /internal/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/media/; }
location /internal/denied/ { internal; return 403; }
location /internal/moved/ { return 302 /elsewhere; }
location /internal/page/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/none/; error_page 404 = /ready; }
location /internal/view/ { internal; download storage media; }
location /_fetch/ { internal; proxy_pass $download_url; proxy_read_timeout 200ms; }
location /_down/ { internal; proxy_pass $download_url; }
--- story
app(origin => sub {
    my ($uri, $c) = ($_[0] =~ /^GET (\S+)/, $_[1]);
    note("fetched $uri");
    return answer(404, 'no') if $uri =~ /missing/;
    return answer(200, '', 'X-Accel-Redirect: /internal/a.txt') if $uri =~ /trick/;
    if ($uri =~ /cut/) { send_to($c, substr answer(200, 'x' x 100), 0, -50); return undef }
    if ($uri =~ /slow/) { sleep 1; return undef }
    return answer(200, 'x' x 100_000);
});
guilty(probe('/missing'), 'probe:internal:none.txt', qr{^the internal location "/internal/none\.txt" answered 404 instead of 200; is the file there}, 'missing');
guilty(probe('/denied'), 'probe:internal:denied/x', qr{answered 403 instead of 200; may the}, 'denied');
guilty(probe('/moved'), 'probe:internal:moved/x', qr{answered 302 instead of 200; redirects}, 'redirected');
passes(probe('/page'), 'storage:media probe:internal:page/x', 'what it says by error_page counts');
passes(probe('/view'), 'storage:media probe:internal:view/a.txt', 'a location with a view');
is(asked(), 0, 'the app was not asked');
passes(probe('/far'), 'storage:media probe:exports:a%20b.txt', 'far away, and large');
is(notes(), "fetched /files/a%2520b.txt\n", 'by its own name');
guilty(probe('/farmissing'), 'probe:exports:missing', qr{^the internal location "/_fetch/missing", which fetches http://origin/files/missing, answered 404}, 'missing there');
guilty(probe('/farcut'), 'probe:exports:cut', qr{broke off}, 'cut');
guilty(probe('/farslow'), 'probe:exports:slow', qr{answered 504 instead of 200; the server that it passes on to did not}, 'slow');
passes(probe('/fartrick'), 'storage:media probe:exports:trick', 'an empty answer; what it says to the server is not heeded');
guilty(probe('/down'), 'probe:down:a.txt', qr{answered 502 instead of 200; is the server}, 'down');
my $r = probe('/noview');
guilty($r, 'probe:internal:view/none.txt', qr{answered 404}, 'a location with a view, and no file');
alive('after');
--- error_log
[error]
--- no_error_log
[alert]
[crit]



=== rules
--- http_config
download_storage internal location=/internal/;
download_rule /app/ media;
--- config
location = /rules { download_health valid=0; }
location = /none { download_rule /x media:none/deeper; download_health valid=0; }
location = /file { download_rule /x media:a.txt; download_health valid=0; }
location = /link { download_rule /x media:here; download_health valid=0; }
location = /far { download_rule "/x y/" internal:any; download_health valid=0; }
--- story
symlink 'sub', "$html/media/here" or die $!;
passes(probe('/rules'), 'storage:media rule:/app/', 'inherited');
guilty(probe('/none'), 'rule:/x/', qr{^No such file or directory: \Q$html\E/media/none/deeper; create or mount it, or correct nginx\.conf}, 'none');
guilty(probe('/file'), 'rule:/x/', qr{media/a\.txt is no directory}, 'a file');
guilty(probe('/link'), 'rule:/x/', qr{media/here is behind a symbolic link, and none is followed below \Q$html\E/media; replace}, 'a link');
is(join('|', sort keys %{ probe('/far')->{checks} }), 'rule:/x y/|storage:media', 'a rule to a location');



=== the app: what it can answer
--- story
app(app => \&app_answers);
passes(probe('/health/ok'), 'storage:media app end_to_end', 'ok');
my %why = (
    page => qr{^not_a_grant: the app answered 200 with Content-Type "text/html", a grant has \S+; let ask=},
    junk => qr{^grant_invalid: .*basname.*; the app has to write},
    large => qr{^grant_too_large: },
    no => qr{^denied: the app answered 403 and no grant; let ask= name},
    lost => qr{^denied: the app answered 404 and no grant; },
    login => qr{^redirected: the app answered 302 and no grant; let ask= .* without logging in},
    broken => qr{^app_error: the app answered 500; the app's own log},
    nothing => qr{^not_a_grant: the app answered 204, which neither},
    silent => qr{^app_unavailable: no answer from the app: is it running},
    cut => qr{^answer_cut: the app's answer broke off; },
    slow => qr{^app_timeout: the app did not answer in time; },
);
for my $kind (sort keys %why) {
    my $r = probe("/health/$kind");
    guilty($r, 'app', $why{$kind}, $kind);
    is(join(' ', sort keys %{ $r->{checks} }), 'app storage:media', "$kind: the file is not looked for");
    cmp_ok($r->{checks}{app}{time_ms}, '>=', 350, 'slow: its time') if $kind eq 'slow';
}
passes(probe('/health/ok'), 'storage:media app end_to_end', 'ok again');
alive('after');
--- error_log
[error]
--- no_error_log
[alert]
[crit]



=== the app is down, and comes up
--- story
guilty(probe('/health/ok'), 'app', qr{^app_unavailable: no answer from the app: is it running, and where proxy_pass points to\?; nginx's own line}, 'down');
app(app => \&app_answers);
ok((wait_for { probe('/health/ok')->{status} == 200 } 15), 'up');
--- error_log
[crit]
--- no_error_log
[alert]



=== asked at the wrong place
--- config
location = /lost { download_health ask=/nowhere valid=0; }
location = /odd { download_health ask=$arg_uri valid=0; }
location = /self { download_health ask=/self valid=0; }
--- story
guilty(probe('/lost'), 'app', qr{^denied: the app answered 404}, 'no such location');
guilty(probe('/odd?uri=/../x'), 'app', qr{^bad_path: no location has the URI "/\.\./x"}, 'a way up');
guilty(probe('/odd'), 'app', qr{^bad_path: no location has the URI ""}, 'nothing');
my $r = probe('/self');
is($r->{status}, 503, 'itself: it ends');
alive('after');
--- error_log
[error]
--- no_error_log
[alert]
[crit]



=== end to end
--- http_config
download_storage internal location=/internal/;
download_storage exports url=http://origin/files/ via=/_fetch/;
download_rule /app/ media;
upstream origin { server unix:$TEST_NGINX_SERVER_ROOT/html/origin.sock; }
--- config
location /internal/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/media/; }
location /_fetch/ { internal; proxy_pass $download_url; }
location ~ ^/either/(?<kind>\w+)$ { download_health ask=/_either/$kind valid=0; download_intercept all; }
location /_either/ { internal; proxy_pass http://app/_ask/; download_intercept all; }
location @named { return 200 named; }
--- story
symlink 'a.txt', "$html/media/link.txt" or die $!;
app(app => \&app_answers);
app(origin => sub { note('fetched'); answer(200, 'far away') });
my $all = 'storage:media rule:/app/ app end_to_end';
passes(probe("/health/$_"), $all, $_) for qw(ok rule at url content);
like(notes(), qr/fetched/, 'a URL is fetched');
my %why = (
    missing => qr{^missing: "none\.txt" in storage "media"},
    outside => qr{^outside_root: .*; correct the app},
    folder => qr{^not_a_file: },
    link => qr{^symlink: },
    unknown => qr{^unknown_storage: the storage "medai" is declared by no download_storage; declare it, or correct the app},
    norule => qr{^no_rule: no download_rule covers "/elsewhere/a\.txt"; add},
    notat => qr{^the internal location "/internal/none\.txt" answered 404},
    descriptor => qr{^no_descriptor: },
);
guilty(probe("/health/$_"), 'end_to_end', $why{$_}, $_) for sort keys %why;
passes(probe("/either/$_"), $all, "by a header field: $_") for qw(ok sendfile temporary parts named);
like(probe('/either/named')->{checks}{end_to_end}{detail}, qr/refers to \@named, which was not/, 'a named location');
is(slurp("$html/media/a.txt"), 'inside', 'a temporary file is not removed');
guilty(probe("/either/$_"), 'end_to_end', qr{^missing: "none\.txt"}, "by a header field: $_") for qw(sendnone noparts);
alive('after');
--- error_log
[error]
--- no_error_log
[alert]
[crit]



=== a file that the worker may not read, at the end
--- worker_user: nobody
--- story
chmod 0755, servroot(), $html, "$html/media" or die $!;
chmod 0600, "$html/media/a.txt" or die $!;
app(app => \&app_answers);
guilty(probe('/health/ok'), 'end_to_end', qr{^unreadable: "a\.txt" .*; let the worker's user read the file}, 'unreadable');



=== a result holds for a second, or as long as one says
--- config
location = /second { download_health ask=/_ask/ok; }
location = /long { download_health ask=/_ask/ok valid=1h; }
location = /not { download_health ask=/_ask/ok valid=0; }
location = /short { download_health ask=/_ask/ok valid=200ms; }
--- story
app(app => \&app_answers);
probe('/second') for 1 .. 20;
is(asked(), 1, 'twenty probes, one question');
sleep 1.1;
probe('/second') for 1 .. 5;
is(asked(), 1, 'one more after a second');
probe('/short') for 1 .. 3;
sleep 0.3;
probe('/short');
is(asked(), 2, 'valid=200ms');
probe('/not') for 1 .. 5;
is(asked(), 5, 'valid=0');
burst(map { GET('/not') } 1 .. 5);
is(asked(), 5, 'valid=0, all at once');
is(probe('/long')->{body}, probe('/long')->{body}, 'the same answer');
rename "$html/media", "$html/moved" or die $!;
is(probe('/long')->{status}, 200, 'even if it is no longer true');
is(fetch('HEAD /long')->{status}, 200, 'HEAD as well');
is(asked(), 1, 'valid=1h');
guilty(probe('/health'), 'storage:media', qr/^No such/, 'each location has a result of its own');
rename "$html/moved", "$html/media" or die $!;
is(probe('/health')->{status}, 503, 'and keeps a bad one, too');
--- error_log
[error]



=== while the app is asked, others get the last result, or wait for the first
--- config
location = /h { download_health ask=/_ask/slower valid=200ms; }
--- story
app(app => \&app_answers);
my $start = time;
my @r = burst(map { GET('/h') } 1 .. 10);
is(scalar(grep { $_->{status} == 200 && $_->{body} eq $r[0]{body} } @r), 10, 'all that wait get the result');
is(asked(), 1, 'of one question');
cmp_ok(time - $start, '<', 0.9, 'as soon as it is there');
sleep 0.25;
my $first = dial();
send_to($first, GET('/h'));
ok(wait_for { notes() =~ /asked/ }, 'the app is asked again');
$start = time;
is(probe('/h')->{body}, $r[0]{body}, 'another gets the last result, although it is older');
cmp_ok(time - $start, '<', 0.2, 'at once');
isnt(response($first)->{body}, $r[0]{body}, 'the first one gets the new one');
is(asked(), 1, 'one question');



=== the probe goes away while the app is asked
--- config
location = /h { download_health ask=/_ask/slow_ valid=1s; }
location = /off { download_health ask=/_ask/slow_ valid=0; }
location = /files { download_health probe=internal:x valid=1s; }
location /internal/ { internal; proxy_pass http://app/_ask/slow_; }
location = /stubborn { download_health ask=/_stubborn valid=1s; }
location = /_stubborn { internal; proxy_pass http://app/_ask/slow_; proxy_ignore_client_abort on; }
--- http_config
download_storage internal location=/internal/;
--- story
app(app => \&app_answers);
my $before = do { alive('before'); descriptors() };
for my $uri (qw(/h /off /files /stubborn)) {
    for my $end (sub { close shift }, \&reset_of) {
        my $s = dial();
        send_to($s, GET($uri));
        ok(wait_for { notes() =~ /asked slow/ }, "$uri: the app is asked");
        my @waiting = map { my $s = dial(); send_to($s, GET($uri)); $s } 1 .. 3;
        my $gone = dial();
        send_to($gone, GET($uri));
        sleep 0.05;
        $end->($_) for $gone, $s;
        is(response($_)->{status}, 200, "$uri: who waited goes on") for @waiting;
        my $n = asked();
        cmp_ok($n, '<=', $uri eq '/off' ? 5 : 2, "$uri: one of them asked");
        sleep 1.05;
        is(probe($uri)->{status}, 200, "$uri: and another later");
        asked();
        sleep 1.05;
    }
}
# all of them at once
for my $end (sub { close shift }, \&reset_of) {
    my @s = map { my $s = dial(); send_to($s, GET($_)); $s } (qw(/h /files /off)) x 5;
    sleep 0.1;
    $end->($_) for @s;
}
sleep 0.5;
is(probe($_)->{status}, 200, "$_: after all went away") for qw(/h /files /off);
alive('after');
no_descriptor_more($before, 'after');



=== what is logged: when it begins, and when it is over
--- config
location = /h { download_health ask=/_ask/ok valid=0; }
--- story
app(app => \&app_answers);
my $told = sub { [slurp(servroot() . '/logs/error.log') =~ /\[(\w+)\] [^\n]*?download_health: (fail: \S+|pass again)/g] };
probe('/h') for 1 .. 3;
is("@{ $told->() }", '', 'nothing to tell');
unlink "$html/media/a.txt";
probe('/h') for 1 .. 3;
is("@{ $told->() }", 'error fail: end_to_end:', 'once');
rename "$html/media", "$html/moved" or die $!;
probe('/h') for 1 .. 3;
is("@{ $told->() }", 'error fail: end_to_end:', 'still the same');
rename "$html/moved", "$html/media" or die $!;
make_file('media/a.txt', 'inside');
probe('/h') for 1 .. 3;
is("@{ $told->() }", 'error fail: end_to_end: notice pass again', 'over');
unlink "$html/media/a.txt";
probe('/h') for 1 .. 3;
is("@{ $told->() }", 'error fail: end_to_end: notice pass again error fail: end_to_end:', 'and again');
--- error_log
download_health: fail: end_to_end: missing: "a.txt" in storage "media"
download_health: pass again



=== two workers
--- worker_processes: 2
--- config
location = /h { download_health ask=/_ask/ok valid=1h; }
--- story
app(app => \&app_answers);
my @r = map { burst((GET('/h')) x 5) } 1 .. 10;
is(scalar(grep { $_->{status} == 200 } @r), 50, 'all pass');
my $n = asked();
ok($n >= 1 && $n <= 2, "each worker asks once: $n");



=== reload
--- config
location = /h { download_health ask=/_ask/ok valid=1h; }
location = /slow { download_health ask=/_ask/slower valid=1h; }
--- story
app(app => \&app_answers);
probe('/h') for 1 .. 3;
is(asked(), 1, 'before');
my $s = dial();
send_to($s, GET('/slow'));
ok(wait_for { notes() =~ /slower/ }, 'asked');
asked();
ok(reload(), 'reloaded');
is(response($s)->{status}, 200, 'asked before the reload');
probe('/h') for 1 .. 3;
is(asked(), 1, 'after the reload nothing is known yet');
rename "$html/media", "$html/moved" or die $!;
ok(wait_for { probe('/health')->{status} == 503 } , 'what is told after it');
--- error_log
[error]



=== nothing of it is remembered as a decision, nor are decisions heeded
--- http_config
download_cache_zone zone=grants:1m;
download_cache grants;
download_cache_key $uri;
download_cache_valid 1h;
--- config
location = /h { download_health ask=/_ask/ok valid=0; }
location = /dl { download object /_ask/ok; }
--- story
app(app => \&app_answers);
probe('/h') for 1 .. 3;
is(asked(), 3, 'asked each time');
is(fetch('/dl')->{body}, 'inside', 'a download');
is(asked(), 1, 'which asks');
fetch('/dl') for 1 .. 3;
is(asked(), 0, 'once');
probe('/h');
is(asked(), 1, 'the probe asks all the same');
passes(probe('/h'), 'storage:media zone:grants app end_to_end', 'the zone');



=== a page with two of them, and a check of access
--- user_files eval
[['ssi.html', '[<!--#include virtual="/one" -->][<!--#include virtual="/two" -->][<!--#include virtual="/one" -->]']]
--- config
location = /ssi.html { ssi on; root $TEST_NGINX_SERVER_ROOT/html; }
location = /one { download_health ask=/_ask/slower; }
location = /two { download_health ask=/_ask/ok; }
location = /guarded { auth_request /one; return 200; }
location = /checked { auth_request /one; root $TEST_NGINX_SERVER_ROOT/html; try_files /media/a.txt =404; }
--- story
app(app => \&app_answers);
my $r = fetch('/ssi.html');
my @parts = $r->{body} =~ /\[(\{.*?\n\}\}\n)\]/gs;
is(scalar @parts, 3, 'three parts') or diag($r->{body});
is(JSON::PP::decode_json($_)->{status}, 'pass', 'a part') for @parts;
is(fetch('/checked')->{body}, 'inside', 'auth_request');
alive('after');



=== what docs/health.md shows
--- worker_user: nobody
--- config
location = /_health { internal; proxy_pass http://app/_ask/health; }
location = /health/well { download_rule /app/media/ media; download_health ask=/_health probe=media:health.txt valid=0; }
location = /health/rule { download_rule /app/media/ media:upload; download_health ask=/_health probe=media:health.txt valid=0; }
--- user_files eval
[['media/health.txt', 'well'], ['media/uploads/x', '']]
--- story
chmod 0755, servroot(), $html, "$html/media" or die $!;
my $app = app(app => sub { grant('{"file":{"path":"/app/media/health.txt"}}') });
is_shown('well', '/health/well');
is_shown('rule', '/health/rule');
chmod 0700, "$html/media" or die $!;
is_shown('permission', '/health/well');
chmod 0755, "$html/media" or die $!;
stop($app);
is_shown('app', '/health/well');
--- error_log
[error]



=== probes are no downloads, and are not counted as such
--- http_config
download_storage internal location=/internal/;
download_storage exports url=http://origin/files/ via=/_fetch/;
upstream origin { server unix:$TEST_NGINX_SERVER_ROOT/html/origin.sock; }
--- config
location = /status { download_status format=prometheus; }
location = /h { download_health ask=/_ask/missing probe=media:none.txt probe=internal:none.txt probe=exports:a.txt valid=0; }
location /internal/ { internal; download storage media; }
location /_fetch/ { internal; proxy_pass $download_url; log_subrequest on; }
location = /dl { download object /_ask/ok; }
--- story
app(app => \&app_answers);
app(origin => sub { answer(200, 'far away') });
my $counted = sub { join '', grep { !/^#|time|uptime/ } split /^/, fetch('/status')->{body} };
my $before = $counted->();
like($before, qr/ 0$/m, 'there is something to count');
is(probe('/h')->{status}, 503, 'a probe') for 1 .. 3;
is($counted->(), $before, 'nothing was counted');
is(fetch('/dl')->{body}, 'inside', 'a download');
isnt($counted->(), $before, 'which is');
--- error_log
[error]



=== odd names
--- http_config eval
"download_storage odd-name_1.x root=\$TEST_NGINX_SERVER_ROOT/html/odd;"
--- config eval
qq(location = /h { download_health "probe=odd-name_1.x:a \\"b\\" \\\\ \xc3\xa4.txt" "probe=odd-name_1.x:\xff\t.txt"; }
location = /rule { download_rule "/\xc3\xa4 \\"x\\"/" media; download_health; })
--- user_files eval
[["odd/a \"b\" \\ \xc3\xa4.txt", ''], ["odd/\xff\t.txt", '']]
--- story
my $r = probe('/h');
is($r->{status}, 200, 'found') or diag($r->{body});
is(scalar(grep { $_ eq "probe:odd-name_1.x:a \"b\" \\ \x{e4}.txt" } keys %{ $r->{checks} }), 1, 'the name is told') or diag($r->{body});
is(scalar(grep { $_ eq "probe:odd-name_1.x:\x{fffd}\t.txt" } keys %{ $r->{checks} }), 1, 'one that is not UTF-8 too') or diag($r->{body});
is(scalar(grep { $_ eq "rule:/\x{e4} \"x\"/" } keys %{ probe('/rule')->{checks} }), 1, 'a rule');



=== many files
--- config
location = /h { download_health probe=media:a.txt probe=media:1 probe=media:2 probe=media:3 probe=media:4 probe=media:5
    probe=media:6 probe=media:7 probe=media:8 probe=media:9; }
--- story
my $r = probe('/h');
is(scalar(keys %{ $r->{checks} }), 11, 'all are looked at');



=== nginx -t: an unknown storage
--- config
location = /h { download_health probe=none:a.txt; }
--- must_die
--- error_log
"download_health" names the storage "none", which no download_storage declares



=== nginx -t: a way up
--- config
location = /h { download_health probe=media:../a.txt; }
--- must_die
--- error_log
"download_health" directive: probe="media:../a.txt": the path contains a ".." segment



=== nginx -t: an absolute path
--- config
location = /h { download_health probe=media:/a.txt; }
--- must_die
--- error_log
probe="media:/a.txt": the path must not begin with a slash



=== nginx -t: a folder
--- config
location = /h { download_health probe=media:sub/; }
--- must_die
--- error_log
probe="media:sub/": the path names a directory, not a file



=== nginx -t: no storage
--- config
location = /h { download_health probe=a.txt; }
--- must_die
--- error_log
probe="a.txt": STORAGE:PATH is expected



=== nginx -t: a parameter that is not known
--- config
location = /h { download_health probes=media:a.txt; }
--- must_die
--- error_log
"download_health" directive: "probes=media:a.txt": ask=, probe= or valid= is expected



=== nginx -t: no URI
--- config
location = /h { download_health ask=http://app/; }
--- must_die
--- error_log
"http://app/" is no URI of a location: it must begin with a slash



=== nginx -t: no time
--- config
location = /h { download_health valid=soon; }
--- must_die
--- error_log
"soon" is not a time, such as 30s



=== nginx -t: ask= twice
--- config
location = /h { download_health ask=/a ask=/b; }
--- must_die
--- error_log
"ask=/b" is given twice



=== nginx -t: valid= twice
--- config
location = /h { download_health valid=1s valid=1s; }
--- must_die
--- error_log
"valid=1s" is given twice



=== nginx -t: a file twice
--- config
location = /h { download_health probe=media:a.txt probe=media:./a.txt; }
--- must_die
--- error_log
"probe=media:./a.txt" is given twice



=== nginx -t: the directive twice
--- config
location = /h { download_health; download_health; }
--- must_die
--- error_log
"download_health" directive: is duplicate



=== nginx -t: with download
--- config
location = /h { download_health; download storage media a.txt; }
--- must_die
--- error_log
"download_health" needs a location of its own



=== nginx -t: with proxy_pass
--- config
location = /h { download_health; proxy_pass http://app; }
--- must_die
--- error_log
"download_health" needs a location of its own



=== nginx -t: with download_revoke
--- config
location = /h { download_health; download_revoke; }
--- must_die
--- error_log
"download_revoke" directive: is duplicate



=== nginx -t: outside of a location
--- config
download_health;
--- must_die
--- error_log
"download_health" directive is not allowed here
