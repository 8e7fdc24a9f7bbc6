# vi:ft=
# The decision cache through all that becomes of nginx: reloads under load, workers that are
# killed, a zone that is full, clients that go away, and requests within other requests.
#
# `story` is Perl that runs before the request of the block. The app answers a question for
# /dl/KIND/... according to KIND, and notes each question; calls() counts them. `single` is nginx
# without a master, `zone` the zone's size.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Digest::MD5 qw(md5_hex);
use File::Copy qw(copy);
use Time::HiRes qw(sleep time);
use Asked qw(field seen);
use Wire;

our $ten   = '0123456789';
our $large = join '', map { "line $_\n" } 1 .. 100_000;

worker_connections(1024);
log_level('info');

add_block_preprocessor(sub {
    my $block = shift;
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    defined $block->single ? master_off() : master_on();
    workers($block->worker_processes // (defined $block->single ? 1 : 2));
    my $size = $block->zone // '1m';
    chomp $size;
    $block->set_value(http_config => <<"END" . ($block->http_config // ''));
download_cache_zone zone=grants:$size;
download_storage files root=$html/files;
upstream app { server unix:$html/app.sock; keepalive 8; keepalive_timeout 1s; }
END
    my $options = $block->options // 'download_cache_valid 10m denied=10m;';
    my $server = <<"END";
download_cache grants;
download_cache_key \$uri \$cookie_user;
$options
add_header X-Grant \$download_grant always;
add_header X-Failure \$download_failure always;
add_header X-Pid \$pid always;
location = /ready { return 200 ready; }
location = /revoke { download_revoke; }
location /dl/ { download object /_ask\$uri; }
location /_ask/ { internal; proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }
# the answer of an app, without an app
location /quick/ { download object /_quick?n=\$arg_n; }
location = /_quick {
    internal;
    default_type application/vnd.nginx-download.grant+json;
    return 200 '{"file":{"storage":"files","path":"ten.txt"},"headers":{"X-N":"\$arg_n"},"cache":{"tags":["quick"]}}';
}
END
    $block->set_value(config => $server . ($block->config // ''));
    $block->set_value(user_files => [
        ['files/ten.txt', $ten], ['files/large.txt', $large], ['files/page.html', '<p>page</p>'], @{ $block->user_files // [] },
    ]);
    $block->set_value(init => 'package main; our ($ten, $large); app(app => \&app_answers); ' . ($block->story // ''));
    $block->set_value(request => 'GET /ready') unless defined $block->request || defined $block->pipelined_requests;
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n") unless defined $block->no_error_log;
});

# --- the app -------------------------------------------------------------------

sub app_answers {
    my ($request, $connection) = @_;
    my ($kind, $name) = $request =~ m{^GET /_ask/dl/(\w+)/([^\s?]*)} or return answer(500, 'what?');
    my ($user) = $request =~ /^Cookie: .*?\buser=(\w+)/mi;
    $user //= '-';
    note("asked $kind/$name $user");
    return granted($name, "$kind/$name", $user) if $kind eq 'ok';
    if ($kind eq 'slow') {
        return granted($name, "$kind/$name", $user) unless IO::Select->new($connection)->can_read(0.3);
        note("left $kind/$name $user");
        return undef;
    }
    return answer(403, "not for $user", 'Content-Type: text/plain') if $kind eq 'no';
    return answer(410, "gone for $user", 'Content-Type: text/plain') if $kind eq 'gone';
    return answer(500, 'broken') if $kind eq 'broken';
    return grant(qq({"file":{"content":"@{[content($name, $user)]}"},"cache":{"tags":["content"]}})) if $kind eq 'content';
    if ($kind eq 'v') {
        # what holds as the question comes may be revoked before the answer is there
        my $version = version_of(truth => $name);
        sleep rand 0.02 if $name % 3 == 0;
        return answer(403, 'no') if $version % 2;
        return grant(qq({"file":{"storage":"files","path":"ten.txt"},"headers":{"X-For":"$name $user","X-Version":"$version"},"cache":{"tags":["v:$name"]}}));
    }
    return answer(500, "no such kind: $kind");
}

# A grant for a file that says what it was for, and to whom. What follows a "~" makes another
# question of it, not another file.
sub granted {
    my ($path, $for, $user) = @_;
    $path =~ s/~.*//;
    return grant(qq({"file":{"storage":"files","path":"$path"},"headers":{"X-For":"$for $user"},"cache":{"tags":["all","user:$user"]}}));
}

# A text of SIZE bytes that nobody else has, for SIZE-NAME.
sub content {
    my ($name, $user) = @_;
    my ($size) = $name =~ /^(\d+)/;
    return substr md5_hex("$name $user") x (1 + $size / 32), 0, $size;
}

# Numbers that all processes see; they only grow.
sub version_of { my ($what, $name) = @_; return 0 + (slurp(servroot() . "/html/$what-$name") || 0) }

sub set_version {
    my ($what, $name, $version) = @_;
    my $path = servroot() . "/html/$what-$name";
    make_file("$path.new", $version);
    rename "$path.new", $path or die "$path: $!";
}

# --- clients -------------------------------------------------------------------

# What /dl/NAME gets a user.
sub get {
    my ($name, $user, @lines) = @_;
    my $method = $name =~ s/^([A-Z]+ )// ? $1 : '';
    return fetch("$method/dl/$name", 'Cookie: user=' . ($user // 'ann'), @lines);
}

sub kept { GET(@_, 'Connection: keep-alive') }

# How many decisions were forgotten; undef if there is no answer.
sub revoke {
    my $form = shift;
    my $s = eval { dial() } or return undef;
    send_to($s, GET('POST /revoke', 'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $form) . $form);
    my $r = response($s);
    return $r->{body} =~ /^\{"revoked": (\d+)\}/ ? $1 : undef;
}

# A connection of which some was read of a long response that goes on.
sub amid {
    my $s = dial(rcvbuf => 4096);
    send_to($s, GET(@_));
    sysread $s, my $head, 1000;
    return $s;
}

# Clients, each a process that does its work again and again until relieve(). The work returns
# what was wrong, if anything; $count->(WORD) counts.
sub busy {
    my ($clients, $work) = @_;
    my $stop = servroot() . '/html/stop';
    return map {
        my $who = $_;
        fork_off(sub {
            srand $who;
            my %n = (rounds => 0, wrong => 0);
            my $first = '';
            until (-e $stop) {
                my $wrong = $work->($who, sub { $n{ $_[0] }++ }, $n{rounds}++);
                next unless defined $wrong;
                $first = $wrong unless $n{wrong}++;
            }
            note(join ' ', 'done', map({ "$_=$n{$_}" } sort keys %n), 'first:', $first =~ s/\s+/ /gr);
        });
    } 1 .. $clients;
}

# Ends them; the sums of what they counted.
sub relieve {
    my @clients = @_;
    make_file('stop', '');
    is(scalar(grep { end_of($_) == 0 } @clients), scalar @clients, 'the clients are through');
    unlink servroot() . '/html/stop';
    my %sum = (wrong => 0);
    for (notes() =~ /^done (.*)$/mg) {
        my ($counts, $first) = /^(.*) first: ?(.*)$/;
        for (split ' ', $counts) { my ($word, $n) = split /=/; $sum{$word} += $n }
        diag('wrong: ' . substr $first, 0, 500) if length $first;
    }
    return \%sum;
}

# Has nginx run with this change of its configuration.
sub reconfigure {
    my ($from, $to) = @_;
    my $path = servroot() . '/conf/nginx.conf';
    my $conf = slurp($path);
    $conf =~ s/$from/$to/ or die "no $from";
    make_file($path, $conf);
    ok(reload(), 'reloaded');
}

# The lines of error.log with this.
sub said { my $what = shift; return grep { /$what/ } split /^/, slurp(servroot() . '/logs/error.log') }

sub no_descriptor_more {
    my ($before, $what) = @_;
    wait_for { descriptors() <= $before } 15;
    cmp_ok(descriptors(), '<=', $before, "$what: no descriptor more");
}

# Kilobytes that the workers have for themselves.
sub own_memory {
    my $sum = 0;
    for my $pid (workers_of(master())) { $sum += $1 if slurp("/proc/$pid/status") =~ /^RssAnon:\s*(\d+) kB/m }
    return $sum;
}

no_long_string();
run_tests();

__DATA__

=== reloads under load: every request is answered, and decisions outlive them
--- zone: 4m
--- story
# Each of these is asked for once, by whichever client. Others are new each time.
my %body = ('ok/ten.txt' => $ten, 'content/3000-a' => content('3000-a', 'ann'), 'ok/large.txt' => $large);
my %denied = ('no/a' => 403, 'gone/a' => 410);
my @names = sort keys %body, keys %denied;
my $check = sub {
    my ($name, $r) = @_;
    my $wants = $denied{$name} // 200;
    return "$name: $r->{status} $r->{head}" if $r->{status} != $wants || !$r->{whole};
    return undef if $wants != 200;
    return "$name: wrong bytes" if $r->{body} ne ($body{$name} // $ten);
    return "$name: for " . field($r, 'X-For') if $name !~ /content/ && field($r, 'X-For') ne "$name ann";
    return undef;
};
my $s;
my @clients = busy(4, sub {
    my ($who, $count, $n) = @_;
    my $name = rand() < 0.1 ? "ok/ten.txt~$who-$n" : $names[rand @names];
    $count->('requests');
    return $check->($name, get($name)) if $who % 2;
    # on a connection that is kept, which nginx may end between two requests, but not amid one
    my $kept = defined $s;
    $s //= dial();
    send_to($s, kept("/dl/$name", 'Cookie: user=ann'));
    my $r = response($s);
    undef $s unless $r->{head} =~ /^Connection: keep-alive/mi;
    return $check->($name, $r) if $r->{status} || !$kept;
    $count->('ended');
    return $check->($name, get($name));
});
my $asked = sub { my $notes = notes(); join ' ', map { scalar(() = $notes =~ /^asked \Q$_\E ann$/mg) } @names };
my $times = sub { join ' ', ($_[0]) x @names };
my $starts = sub { scalar said('\[notice\].* download: the zone "grants" starts empty') };
ok(wait_for { $asked->() eq $times->(1) } , 'all was asked for');
my ($hups, $end) = (0, time + 3);
while (time < $end) { kill 'HUP', master(); $hups++; sleep 0.2 }
is($asked->(), $times->(1), "after $hups reloads the app was asked once for each");
is($starts->(), 1, 'the zone was empty at the start only');

reconfigure('zone=grants:4m', 'zone=grants:5m');
ok(wait_for { $asked->() eq $times->(2) } , 'with another size it starts empty') or diag($asked->());
is($starts->(), 2, 'and says so');
ok(reload(), 'reloaded again') for 1 .. 3;
is($asked->(), $times->(2), 'with that size it is kept');

my ($module) = slurp(servroot() . '/conf/nginx.conf') =~ m{^load_module (\S*ngx_http_download_module\.so);}m;
my $copy = servroot() . '/html/ngx_http_download_module.so';
copy($module, $copy) or die "$copy: $!";
for ([$module, $copy, 3], [$copy, $module, 4]) {
    my ($from, $to, $n) = @$_;
    reconfigure(quotemeta "load_module $from", "load_module $to");
    ok((wait_for { $asked->() eq $times->($n) } 5), 'another file of the module: it starts empty');
}
my $sum = relieve(@clients);
is($sum->{wrong}, 0, "no request failed, of $sum->{requests}");
cmp_ok($sum->{requests}, '>', 100, 'there was load');
is($asked->(), $times->($starts->()), 'and the app was asked once for each time the zone was empty');



=== workers are killed at random, under a load of requests and revocations
--- zone: 16m
--- config
large_client_header_buffers 4 32k;
location ~ ^/dl/v/\d*[1-7]$ { download object /_ask$uri; download_cache_lock off; }
--- error_log
[alert]
exited on signal 9
--- no_error_log
[crit]
[emerg]
--- story
# An even version of /dl/v/N is granted, an odd one is denied. The app goes by "truth". A version
# is in "floor" once a revocation of all that was before it is answered: nobody may get less.
my @keys = 1 .. 60;
for my $key (@keys) { set_version($_ => $key, 0) for qw(truth floor) }
$Wire::Timeout = 9;         # others may wait 5 s for a question whose worker was killed
my $s;
my $once = sub {
    my $count = shift;
    my $key = $keys[rand @keys];
    my $floor = version_of(floor => $key);
    my $kept = rand() < 0.5;
    if (!$s) { $s = eval { dial() } or do { $count->('broken'); return undef } }
    send_to($s, $kept ? kept("/dl/v/$key", 'Cookie: user=ann') : GET("/dl/v/$key", 'Cookie: user=ann'));
    my $r = response($s);
    undef $s unless $kept && $r->{whole};
    my $truth = version_of(truth => $key);
    if (!$r->{whole}) { $count->('broken'); return undef }
    $count->("status-$r->{status}");
    if ($r->{status} == 403) {
        # asked three times, and each time the zone was lost or this key was revoked
        if (field($r, 'X-Failure') eq 'revoked') { $count->('thrice'); return undef }
        return $floor % 2 || $truth > $floor ? undef : "$key is denied, which is granted since $floor";
    }
    return "$key: $r->{status} $r->{head} $r->{body}" if $r->{status} != 200;
    my $version = field($r, 'X-Version');
    $count->(field($r, 'X-Grant'));
    return "$key: $version, which was revoked for $floor: $r->{head}" if $version < $floor;
    return "$key: $version, which there is not before $truth" if $version > $truth || $version % 2;
    return "$key: the answer for " . field($r, 'X-For') unless field($r, 'X-For') eq "$key ann";
    return "$key: wrong bytes" if $r->{body} ne $ten;
    return undef;
};
# So that workers are over the zone much of the time: many decisions, and revocations that look at
# each of them for long.
my $long = 'POST /revoke?' . join '&', ('tag=nothing') x 1500;
my $over = sub {
    my $count = shift;
    my $s = eval { dial() } or return undef;
    send_to($s, join '', map { kept("/quick/$_?n=$_", 'Cookie: user=ann') } map { int rand 5000 } 1 .. 50);
    for (1 .. 50) { response($s)->{body} eq $ten or last }
    send_to($s, kept($long, 'Content-Length: 0'));
    $count->('walks') if response($s)->{status} == 200;
    sleep 0.01;
    return undef;
};
my @clients = busy(5, sub {
    my ($who, $count) = @_;
    return $once->($count) if $who <= 3;
    return $over->($count) if $who == 5;
    my $key = $keys[rand @keys];
    my $version = version_of(truth => $key) + 1;
    set_version(truth => $key, $version);
    my $tries = 0;
    until (defined revoke("tag=v:$key&key=/dl/v/$key&key=ann" . (rand() < 0.3 ? '&cut=1' : ''))) {
        return "the revocation of $key is not answered" if ++$tries > 200;
    }
    $count->('revoked');
    set_version(floor => $key, $version);
    sleep rand 0.01;
    return undef;
});
my ($kills, $master, $end) = (0, master(), time + 10.5);
while (time < $end) {
    sleep 0.01 + rand 0.05;
    my @workers = workers_of($master);
    next if $workers[0] == $master;
    $kills += kill 'KILL', $workers[rand @workers];
}
my $sum = relieve(@clients);
# if none was over the zone by chance, one is in the end
for (1 .. 300) {
    last if said('a worker died over the zone');
    my $worker = fork_off(sub { $over->(sub {}) });
    sleep rand 0.03;
    my @workers = workers_of($master);
    kill 'KILL', @workers if $workers[0] != $master;
    end_of($worker);
    get('ok/ten.txt~after');
}
is($sum->{wrong}, 0, 'every answer was right');
cmp_ok($kills, '>', 50, 'workers were killed');
$ENV{TEST_NGINX_SLOW} or cmp_ok($sum->{cached} // 0, '>', 10, 'decisions were remembered');
cmp_ok($sum->{revoked} // 0, '>', $ENV{TEST_NGINX_SLOW} ? 0 : 10, 'and revoked');
cmp_ok(scalar(said('a worker died over the zone')), '>', 0, 'workers died over the zone');
is(master(), $master, 'the master lives');
my $expected = qr/worker process \d+ exited on signal 9|shared memory zone "grants" was locked by \d+|download: a worker died over the zone "grants", which starts empty/;
is(join('', grep { !/$expected/ } said('\[alert\]')), '', 'no other alert than those');
is(join('', grep { !/signal 9/ } said('exited on signal')), '', 'no worker died by itself');
get('ok/ten.txt') for 1 .. 2;
is(seen(get('ok/ten.txt')), '200 cached', 'the cache works');
is(scalar(my @workers = workers_of($master)), 2, 'with two workers');



=== a zone that is full: what was not used for longest goes
--- zone: 128k
--- worker_processes: 1
--- config
keepalive_requests 100000;
--- story
my $s = dial();
my $ask = sub {
    my @seen;
    while (my @some = splice @_, 0, 50) {
        send_to($s, join '', map { kept("/quick/$_?n=$_", 'Cookie: user=ann') } @some);
        for my $n (@some) {
            my $r = response($s);
            push @seen, $r->{body} eq $ten && field($r, 'X-N') eq $n ? field($r, 'X-Grant') : "wrong: $r->{status}";
        }
    }
    my %n;
    $n{$_}++ for @seen;
    return join ', ', map { "$n{$_} $_" } sort keys %n;
};
is($ask->(1 .. 1000), '1000 asked', 'more than there is room for');
my $room = revoke('tag=quick');
cmp_ok($room, '>', 150, 'so many are remembered, as the README has it');
cmp_ok($room, '<', 512, 'and no more');
is($ask->(1 .. $room), "$room asked", 'there is room for all of these');
is($ask->(1 .. 20), '20 cached', 'the first of them, once more');
my $more = int $room / 2;
is($ask->(map { "more$_" } 1 .. $more), "$more asked", 'half as many others');
is($ask->(1 .. 20), '20 cached', 'what was used of late is still there');
is($ask->(21 .. 40), '20 asked', 'what was not is not');
is($ask->(map { "more$_" } $more - 20 .. $more), '21 cached', 'the last of the others are');
cmp_ok(revoke('tag=quick'), '<=', $room, 'and there are not more than there were');



=== a zone that is full: thousands of keys by both workers, and nothing of it in the log
--- zone: 64k
--- config
keepalive_requests 100000;
--- story
my @clients = map {
    my $who = $_;
    fork_off(sub {
        my ($s, $wrong) = (dial(), 0);
        for my $round (1 .. 60) {
            # every third is for what was asked for before
            my @some = map { $_ % 3 ? "$who-$round-$_" : '1-' . (1 + int rand $round) . "-$_" } 1 .. 30;
            send_to($s, join '', map { kept("/quick/$_?n=$_", 'Cookie: user=ann') } @some);
            for my $n (@some) {
                my $r = response($s);
                $wrong++ unless $r->{body} eq $ten && field($r, 'X-N') eq $n && field($r, 'X-Grant') =~ /^(?:asked|cached)$/;
            }
        }
        $wrong ? die "$wrong wrong answers" : return;
    });
} 1 .. 4;
is(end_of($_), 0, 'a client is through, and each answer was for its key') for @clients;
cmp_ok(revoke('tag=quick'), '<', 256, 'a small part of them is remembered');
is(join('', grep { !/starts empty|forgotten/ } said('download')), '', 'nothing was logged of that');
cmp_ok(scalar(my @lines = said('.')), '<', 200, 'nor of anything else');



=== long keys and large contents, mixed: each gets its own
--- config
large_client_header_buffers 4 32k;
location /keyed/ { download object /_ask/dl/content/$arg_s-$arg_n; download_cache_key $arg_s $arg_n $arg_k $cookie_user; }
--- story
# the zone holds some 20 of the largest; one takes an eighth of it at most
my @sizes = (0, 1, 31, 200, 255, 256, 257, 1000, 3000, 8192, 8193, 20_000, 60_000);
my @keys = ('k', map { 'k' x $_ } 100, 235, 500, 4000, 8100, 8192, 9000);
my @clients = map {
    my $who = $_;
    fork_off(sub {
        srand $who;
        my @wrong;
        for (1 .. 250) {
            my ($size, $key, $n, $user) = ($sizes[rand @sizes], $keys[rand @keys], int rand 2, (qw(ann bob))[rand 2]);
            # sometimes they differ by the last byte only
            substr $key, -1, 1, 'x' if rand() < 0.3;
            my $r = fetch("/keyed/x?s=$size&n=$n&k=$key", "Cookie: user=$user");
            note('cached') if field($r, 'X-Grant') eq 'cached';
            next if $r->{status} == 200 && $r->{body} eq content("$size-$n", $user);
            push @wrong, "$size $n @{[length $key]}: $r->{status} of " . length $r->{body};
        }
        die "$wrong[0]\n" if @wrong;
    });
} 1 .. 3;
for (1 .. 5) { sleep 0.15 * ($ENV{TEST_NGINX_SLOW} || 1); revoke('tag=content') }
is(end_of($_), 0, 'a client is through, and each answer was the right one') for @clients;
my $cached = () = notes() =~ /^cached$/mg;
cmp_ok($cached, '>', 10, 'some of them were remembered');
is(join('', said('\[(?:warn|error)\]')), '', 'and nothing was amiss');



=== within other requests: SSI
--- config
location = /page.html { ssi on; }
location /dl/no/paged { download object /_ask$uri; error_page 403 /sorry; }
location = /sorry { internal; return 200 sorry; }
location /dl/no/named { download object /_ask$uri; error_page 403 = @other; }
location @other { download object /_ask/dl/ok/page.html; download_cache_key $cookie_user; }
--- user_files eval
[['page.html', '/dl/slow/ten.txt /dl/slow/ten.txt /dl/ok/page.html /dl/no/a /dl/no/paged /dl/no/named /dl/slow/ten.txt~2 /quick/1?n=1 /dl/slow/ten.txt'
    =~ s{(\S+) ?}{[<!--#include virtual="$1" -->]}gr]]
--- story
my $denied = sub { "[$ten][$ten][<p>page</p>]$_[0]" . "[$ten]" x 3 };
my $nginx = qr{<html>\s.*?403 Forbidden.*?</html>\s*}s;
# the app's pages, or those of nginx where another page was first
my $page = $denied->('DENIED');
my ($before, $after) = split /DENIED/, quotemeta $page;
my $like = qr{^$before\[(?:not for \w+|$nginx)\]\[(?:not for \w+|sorry)\]\[(?:not for \w+|<p>page</p>)\]$after$};
my @pages = burst((GET('/page.html', 'Cookie: user=ann')) x 20);
is(scalar(grep { $_->{status} == 200 && $_->{whole} && $_->{body} =~ $like } @pages), 20, 'twenty at once, with nothing remembered');
my ($bad) = grep { $_->{body} !~ $like } @pages;
diag($bad->{body}) if $bad;
my $warm = qr{^$before\[$nginx\]\[sorry\]\[<p>page</p>\]$after$};
for (1 .. 5) { like(fetch('/page.html', 'Cookie: user=ann')->{body}, $warm, 'with all remembered, and pages for denials') }
is(calls($_, 'ann'), 1, "$_: the app was asked once") for qw(slow/ten.txt slow/ten.txt~2 no/a no/paged no/named);
is(fetch('/page.html', 'Cookie: user=bob')->{body} =~ /not for bob/ ? 1 : 0, 1, 'another user is another matter');
# clients that go away while their includes ask and wait
my $s = dial();
my $idle = descriptors();
my @gone = map { my $s = dial(); send_to($s, GET('/page.html', 'Cookie: user=carl')); $s } 1 .. 10;
wait_for { calls('slow/ten.txt', 'carl') };
$_ % 2 ? close $gone[$_] : reset_of($gone[$_]) for 0 .. 9;
like(fetch('/page.html', 'Cookie: user=carl')->{body}, $like, 'those who ask after them are served');
sleep 1.1;
no_descriptor_more($idle + 2, 'after');



=== within other requests: addition, mirror, auth_request
--- config
location /added/ { add_before_body /dl/ok/page.html; add_after_body /dl/slow/ten.txt; addition_types *; rewrite ^/added(/.*) /added$1 break; download object /_ask/dl/ok/ten.txt~added; }
location /mirrored/ { mirror /_mirror; mirror /_mirror-no; download object /_ask/dl/ok/ten.txt~mirrored; }
location = /_mirror { internal; download object /_ask/dl/slow/ten.txt~mirror; }
location = /_mirror-no { internal; download object /_ask/dl/no/mirror; }
location = /guarded { auth_request /_auth; try_files /none @guarded; }
location @guarded { download object /_ask/dl/ok/page.html~guarded; }
location = /refused { auth_request /_auth-no; try_files /none @guarded; }
location = /_auth { internal; download object /_ask/dl/slow/ten.txt~auth; }
location = /_auth-no { internal; download object /_ask/dl/no/auth; }
--- story
my %body = ('/added/x' => "<p>page</p>$ten$ten", '/mirrored/x' => $ten, '/guarded' => '<p>page</p>', '/refused' => qr/403 Forbidden/);
for my $round (1 .. 3) {
    my @paths = sort keys %body;
    my @seen = burst(map { GET($_, 'Cookie: user=ann') } (@paths) x 10);
    for my $path (@paths) {
        my @right = map { my $want = $body{ $paths[$_ % @paths] }; $paths[$_ % @paths] ne $path ? () : ref $want ? $seen[$_]{body} =~ $want : $seen[$_]{body} eq $want } 0 .. $#seen;
        is(scalar(grep { $_ } @right), 10, "round $round: $path");
    }
}
is(calls($_, 'ann'), 1, "$_: the app was asked once")
    for qw(ok/page.html ok/page.html~guarded slow/ten.txt ok/ten.txt~added ok/ten.txt~mirrored slow/ten.txt~mirror no/mirror slow/ten.txt~auth no/auth);



=== pipelined requests: answered in their order, whoever waits for whom
--- story
my @kinds = (['ok/ten.txt', 200, $ten], ['slow/ten.txt', 200, $ten], ['no/a', 403, undef], ['gone/a', 410, undef], ['ok/page.html', 200, '<p>page</p>'], ['ok/missing', 404, undef],
    ['content/3000-a', 200, content('3000-a', 'ann')], ['ok/large.txt', 200, $large], ['broken/a', 502, undef]);
my @clients = map {
    my $who = $_;
    fork_off(sub {
        srand $who;
        for my $round (1 .. 8) {
            my $s = dial();
            my @asked = map { [@{ $kinds[rand @kinds] }, (rand() < 0.2 ? 'HEAD' : rand() < 0.2 ? 'POST' : 'GET')] } 1 .. 8;
            send_to($s, join '', map {
                my $body = $_->[3] eq 'HEAD' ? '' : "GET /smuggled-$who HTTP/1.1\r\n\r\n" x int rand 2;
                kept("$_->[3] /dl/$_->[0]", 'Cookie: user=ann', 'Content-Length: ' . length $body) . $body;
            } @asked);
            for (@asked) {
                my ($name, $status, $body, $method) = @$_;
                $status = 405 if $method eq 'POST';
                my $r = response($s, head => $method eq 'HEAD');
                die "$method $name: $r->{status} instead of $status\n" if $r->{status} != $status;
                die "$method $name: another body\n" if defined $body && $method eq 'GET' && $r->{body} ne $body;
            }
            send_to($s, GET('/ready'));
            response($s)->{body} eq 'ready' or die "the last one\n";
            closed($s) or die "more than was asked for\n";
            revoke('tag=all') if $round % 4 == 0;
        }
    });
} 1 .. 4;
is(end_of($_), 0, 'a client is through') for @clients;
unlike(slurp(servroot() . '/logs/access.log'), qr{/smuggled}, 'and bodies were no requests');
--- error_log
app_error



=== descriptors and memory are back where they were after 5,000 requests of all kinds, and aborts
--- config
location /limited/ { rewrite ^/limited/(.*) /dl/$1 break; download object /_ask$uri; limit_rate 100k; }
location = /page.html { ssi on; }
keepalive_timeout 2s;
lingering_timeout 1s;
--- user_files eval
[['page.html', '[<!--#include virtual="/dl/ok/ten.txt" -->][<!--#include virtual="/dl/no/a" -->]']]
--- story
my @user = 'Cookie: user=ann';
my @all = (
    (map { my $name = $_; sub { get($name) } } qw(ok/ten.txt ok/large.txt ok/page.html no/a gone/a ok/missing content/3000-a content/20000-b)) x 3,
    sub { get('ok/ten.txt~' . $_[0]) }, sub { get('no/' . $_[0]) }, sub { get('broken/a') }, sub { fetch('/dl/ok/ten.txt') },
    sub { get('ok/ten.txt', 'ann', 'Range: bytes=2-5') }, sub { get('HEAD ok/large.txt') }, sub { get('ok/ten.txt', 'ann', 'If-None-Match: *') },
    sub { fetch(GET('POST /dl/ok/ten.txt', @user, 'Content-Length: 5') . 'xxxxx') }, sub { fetch('/page.html', @user) },
    sub { fetch("/quick/$_[0]?n=$_[0]", @user) }, sub { get('ok/ten.txt', "u$_[0]") },
    sub { reset_of(amid('/dl/ok/large.txt', @user)) }, sub { close amid('/dl/ok/large.txt', @user) }, sub { reset_of(amid('/limited/ok/large.txt', @user)) },
    sub { revoke('tag=' . (qw(quick all content user:ann none))[rand 5] . (rand() < 0.3 ? '&cut=1' : '')) if rand() < 0.2 },
    sub { fetch('POST /revoke?tag', 'Content-Length: 0') },
    # those who ask and those who wait go away
    sub {
        my $n = shift;
        return if rand() > 0.15;
        my @s = map { my $s = dial(); send_to($s, GET("/dl/slow/ten.txt~$n", @user)); $s } 1 .. 3;
        rand() < 0.5 ? reset_of($_) : close $_ for @s;
    },
    sub {
        my $s = dial();
        send_to($s, join '', map { kept("/dl/$_", @user) } qw(ok/ten.txt no/a ok/page.html));
        response($s) for 1 .. rand 4;
    },
);
my $mixed = sub {
    my ($from, $each) = @_;
    my @clients = map {
        my $who = $_;
        fork_off(sub {
            srand $from + $who;
            $all[rand @all]->("$who-$_") for $from + 1 .. $from + $each;
        });
    } 1 .. 4;
    is(end_of($_), 0, 'a client is through') for @clients;
};
my $settled = sub {
    # the app's connections are kept for a second, those of clients are closed within two
    my ($least, $since) = (descriptors(), time);
    while (time < $since + 1.5) { my $n = descriptors(); ($least, $since) = ($n, time) if $n < $least; sleep 0.1 }
    return $least;
};
$mixed->(0, 500);
my %pids = map { $_ => 1 } workers_of(master());
my ($descriptors, $memory) = ($settled->(), own_memory());
$mixed->(1000, 1250);
no_descriptor_more($descriptors, 'after');
my $grown = own_memory() - $memory;
# a sanitizer keeps for a while what is freed
$ENV{TEST_NGINX_SLOW} or cmp_ok($grown, '<', 1000, 'no memory to speak of more, in KB');
is(scalar(grep { !$pids{$_} } workers_of(master())), 0, 'the workers are still the same');
get('ok/ten.txt');
is(seen(get('ok/ten.txt')), '200 cached', 'and remember');
--- error_log
app_error



=== one process, without a master: reloads amid questions, waiters and transfers
# A reload of a single process is unfinished business in nginx itself: there is room for as many new
# connections as there were, they are served by the configuration from before, and what these log
# goes to descriptors that may be somebody else's by now. So there are connections, and no logs.
--- single
--- http_config
error_log $TEST_NGINX_SERVER_ROOT/logs/error.log crit;
access_log off;
--- config
location /limited/ { download object /_ask/dl/ok/large.txt; limit_rate 3000k; }
--- story
is(seen(get('ok/ten.txt')), '200 asked', 'asked');
is(seen(get('no/a')), '403 none', 'denied');
my $pid = master();
my @held = map { dial() } 1 .. 60;
sleep 0.1;
for my $round (1 .. 2) {
    my $name = "slow/ten.txt~$round";
    my @s = map { my $s = shift @held; send_to($s, kept("/dl/$name", 'Cookie: user=ann')); $s } 1 .. 8;
    my $long = shift @held;
    send_to($long, kept("/limited/$round", 'Cookie: user=ann'));
    wait_for { calls($name) && calls('ok/large.txt') >= $round };
    my $before = () = said('reconfiguring$');
    kill 'HUP', $pid;
    ok(wait_for { $before < (() = said('reconfiguring$')) } , "reload $round");
    sleep 0.1;
    is(scalar(grep { response($_)->{body} eq $ten } @s), 8, 'who asks and who waits is served');
    is(calls($name), 1, 'the app was asked once');
    ok(response($long)->{body} eq $large, 'and so is a transfer');
    for my $s (@s) {
        send_to($s, kept('/dl/ok/ten.txt', 'Cookie: user=ann') . kept("/dl/no/a", 'Cookie: user=ann'));
        is(seen(response($s)), '200 cached', 'a decision from before');
        is(response($s)->{status}, 403, 'and a denial');
    }
}
is(calls('ok/ten.txt'), 1, 'the app was asked once');
is(calls('no/a'), 1, 'for each');
is(scalar(my @starts = said('starts empty')), 1, 'the zone was empty at the start only');
is(revoke('tag=all'), 5, 'all is forgotten: a file, two that were waited for, two transfers');
my $s = shift @held;
send_to($s, GET('/dl/ok/ten.txt', 'Cookie: user=ann'));
is(seen(response($s)), '200 asked', 'and asked again');
