# vi:ft=
# A panic in each callback of nginx, provoked where the fence catches them (src/nginx/guard.rs): a 500,
# or the connection is closed where the header is out; one [alert]; the same worker goes on, and the
# next request is served. Needs the module with the feature test-panics, whose path is in
# TEST_NGINX_PANICS_MODULE: scripts/build --feature test-panics.
#
# `story` is Perl that runs before the request of the block.
use Test::Nginx::Socket $ENV{TEST_NGINX_PANICS_MODULE} ? 'no_plan'
    : (skip_all => 'TEST_NGINX_PANICS_MODULE names no module built by scripts/build --feature test-panics');
use lib 't/lib';
use Time::HiRes qw(sleep);
use Wire;

our (%places, %tried, $place);

BEGIN {
    $ENV{TEST_NGINX_LOAD_MODULES} = $ENV{TEST_NGINX_PANICS_MODULE} // '';
    $ENV{DOWNLOAD_TEST_PANIC} = $place = server_root() . '/panic';
    # where the fence catches: the function around each call, and its place
    for my $file (glob('src/nginx/*.rs'), glob('src/nginx/*/*.rs')) {
        next if $file =~ m{/guard\b};
        my ($within, $number) = ('', 0);
        for my $line (split /\n/, slurp($file)) {
            $number++;
            $within = $1 if $line =~ /\bfn (\w+)/;
            $places{ join ' ', $file =~ m{src/nginx/(.*)\.rs}, $within } = "$file:$number" if $line =~ /\bguard::shield\(/;
        }
    }
}

env_to_nginx('DOWNLOAD_TEST_PANIC');
master_on();
workers(1);
log_level('info');

our $ten = '0123456789';

add_block_preprocessor(sub {
    my $block = shift;
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    $block->set_value(http_config => <<"END");
download_storage files root=$html/files;
download_storage inner location=/inner/;
download_cache_zone zone=grants:1m;
upstream app { server unix:$html/app.sock; }
upstream passing { server unix:$html/passing/app.sock; download_descriptors on; }
log_format seen '\$request_uri \$status [\$download_failure]';
END
    $block->set_value(config => <<"END");
access_log logs/seen.log seen;
location = /ready { return 200 ready; }
location /dl/ { download object /_ask/; }
location /slow/ { download object /_ask/; download_cache grants; download_cache_key \$uri; download_cache_lock on; }
location /_ask/ { internal; proxy_pass http://app\$request_uri; }
location /files/ { download storage files; }
location /app/ { proxy_pass http://app; download_intercept all; download_rule /protected/ files; }
location /inner/ { internal; alias $html/files/; }
location /passed/ { download object /_passed\$uri; }
location /kept/ { download object /_passed\$uri; download_cache grants; download_cache_key \$uri; download_cache_valid 1m; }
location /_passed/ { internal; proxy_pass http://passing; }
location /passed-on/ { proxy_pass http://passing; }
location = /revoke { download_revoke; }
location = /status { download_status; }
END
    $block->set_value(user_files => [['files/ten.txt', $ten], ['files/large.txt', 'x' x 100_000]]);
    $block->set_value(init => 'package main; our ($ten, %tried, $place); app(app => \&answers); ' . $block->story);
    $block->set_value(request => 'GET /ready');
    $block->set_value(error_log => '[alert]') unless defined $block->error_log;
});

sub answers {
    my ($request, $connection) = @_;
    my ($what) = $request =~ m{^GET /\w+/([^\s?]*)} or return answer(500, 'what?');
    if ($what eq 'slow') { note('slow'); sleep 1 }
    return grant('{"file":{"storage":"inner","path":"ten.txt"}}') if $what eq 'location';
    if ($what eq 'pieces') {
        my ($head, $body) = grant('{"file":{"storage":"files","path":"ten.txt"}}') =~ /^(.*?\r\n\r\n)(.*)/s;
        send_to($connection, $head);
        sleep 0.1;
        send_to($connection, $body);
        return undef;
    }
    return answer(200, '', 'X-Accel-Redirect: /protected/ten.txt') if $what eq 'accel';
    return grant('{"file":{"storage":"files","path":"ten.txt"},"cache":{"tags":["t"]}}');
}

# Starts the app that passes descriptors.
sub passing {
    my $folder = servroot() . '/html/passing';
    mkdir $folder or die "$folder: $!";
    fork_off(sub { exec 'python3', 't/apps/passing.py', $folder or die "python3: $!" });
    ok(wait_for(sub { -S "$folder/app.sock" }, 20), 'the app is there');
}

# --- panics --------------------------------------------------------------------

# The callback that panics next, by the file and the function of the fence.
sub arm {
    my $callback = shift;
    $tried{$callback} = 1;
    make_file($place, $places{$callback} // die "no callback $callback\n");
}

sub log_of { slurp(servroot() . '/logs/error.log') }

# The request fares so when the callback panics: its status, 0 for a connection that is closed without
# a response; and `good` says the same of the next, which nothing keeps.
sub panics {
    my ($callback, $request, $status, %more) = @_;
    my $good = $more{good} // 200;
    my ($worker) = workers_of(master());
    is(fetch($request)->{status}, $good, "$callback: served before") unless $more{once};
    my $from = length log_of();
    my $rest = descriptors();
    arm($callback);
    my $r = fetch($request);
    is($r->{status}, $status, "$callback: what the client gets");
    is($r->{whole}, $more{broken} ? 0 : 1, "$callback: whole") if $status;
    unlike($r->{body}, qr/^$ten|xxx/, "$callback: nothing of the file") if $status != 200;
    ok(wait_for(sub { !-e $place }), "$callback: it has panicked");
    ok(wait_for(sub { descriptors() <= $rest }), "$callback: no descriptor left");
    my @alerts;
    # after the response, some of them
    wait_for { @alerts = substr(log_of(), $from) =~ /^(.*\[alert\].*)$/mg };
    is(@alerts, 1, "$callback: one line") or diag(@alerts);
    like($alerts[0], qr/download: bug at \S+: provoked at \Q$places{$callback}\E/, "$callback: which says where");
    is(fetch($request)->{status}, $good, "$callback: served afterwards");
    is(join(' ', workers_of(master())), $worker, "$callback: by the same worker");
}

# nginx -t ends with an error when the callback panics.
sub refuses {
    my $callback = shift;
    my @command = ($ENV{TEST_NGINX_BINARY} || 'nginx', '-t', '-e', '/dev/stderr', '-p', servroot() . '/', '-c', servroot() . '/conf/nginx.conf');
    my $run = sub {
        open my $out, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command or die "sh: $!";
        my $said = do { local $/; <$out> // '' };
        close $out;
        return ($?, $said);
    };
    my ($status) = $run->();
    is($status, 0, "$callback: nginx -t before");
    arm($callback);
    ($status, my $said) = $run->();
    is($status >> 8, 1, "$callback: nginx -t fails");
    like($said, qr/download: bug at \S+: provoked at \Q$places{$callback}\E/, "$callback: and says where");
}

run_tests();

is(join(', ', grep { !$tried{$_} } sort keys %places), '', 'all callbacks were tried');

__DATA__

=== content, phases, log
--- story
panics('module content_handler', GET('/files/ten.txt'), 500);
panics('module check_before_content', GET('/app/accel'), 500);
panics('module log_handler', GET('/files/ten.txt'), 200);
panics('variable evaluate', GET('/files/ten.txt'), 200);
# what it was to free is lost, which is what a sanitizer would say
$ENV{TEST_NGINX_SLOW} ? $tried{'pool release'} = 1 : panics('pool release', GET('/files/ten.txt'), 200);



=== filters
--- story
panics('filter filter_header', GET('/files/ten.txt'), 500);
panics('filter filter_header', GET('/files/large.txt'), 500);
panics('filter filter_header', GET('/app/accel'), 500);
panics('filter filter_body', GET('/files/ten.txt'), 0);



=== questions
--- story
panics('filter take_header', GET('/dl/ten.txt'), 502);
panics('filter take_body', GET('/dl/pieces'), 502);
panics('filter take_header', GET('/dl/location'), 502);
panics('subrequest resume', GET('/dl/ten.txt'), 500);



=== grants that are held back
--- story
panics('collect answer', GET('/app/ten.txt'), 500);



=== descriptors that the app passes
--- story
passing();
panics('passing send', GET('/passed/first'), 502);
panics('passing/receive recv', GET('/passed/first'), 502);
panics('passing/receive recv_chain', GET('/passed-on/page-late'), 200, broken => 1);
is(fetch('/kept/cached-short')->{status}, 200, 'alarm ring: one is kept');
my $from = length log_of();
arm('alarm ring');
ok(wait_for(sub { !-e $place }, 5), 'alarm ring: it has panicked');
my @alerts;
wait_for { @alerts = substr(log_of(), $from) =~ /\[alert\]/g };
is(@alerts, 1, 'alarm ring: one line');
is(fetch('/kept/cached-short')->{status}, 200, 'alarm ring: served afterwards');
--- timeout: 20



=== bodies of requests
--- story
my $form = 'tag=t';
panics('read read', GET('POST /revoke', 'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $form) . $form, 500);



=== requests that wait for another's answer
--- story
my $first = dial();
send_to($first, GET('/slow/slow'));
wait_for { notes() =~ /slow/ };
panics('sleep awake', GET('/slow/slow'), 500, once => 1);
is(response($first)->{status}, 200, 'the one that asks is served');



=== what nginx.conf says
--- story
refuses($_) for 'module create', 'module preconfiguration', 'module postconfiguration', 'conf set', 'module merge', 'shm init';
# and a reload changes nothing
my ($worker) = workers_of(master());
arm('conf set');
kill 'HUP', master();
ok(wait_for(sub { log_of() =~ /\[emerg\].* directive: a bug in the module/ }), 'reload: refused');
is(fetch('/files/ten.txt')->{status}, 200, 'reload: served');
is(join(' ', workers_of(master())), $worker, 'reload: by the same worker');
--- error_log
[alert]
[emerg]
