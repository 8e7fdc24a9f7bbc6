# vi:ft=
# The page of download_status in a browser, and its numbers read by Prometheus's own parser.
# scripts/test installs chromium, scripts/apps the parser, into target/apps.
#
# `story` is Perl that runs before the request of the block.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use File::Temp ();
use JSON::PP qw(decode_json);
use Time::HiRes qw(sleep time);
use Browser;
use Wire;

our $python = "$ENV{PWD}/target/apps/python/bin/python";
Browser::command() or plan(skip_all => 'chromium is not installed: run scripts/test');
-x $python or plan(skip_all => 'no target/apps/python: run scripts/apps');

master_on();
worker_connections(256);
log_level('info');
timeout(10);
$Wire::Timeout = 15;

add_block_preprocessor(sub {
    my $block = shift;
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    workers(2);
    $block->set_value(http_config => <<"END");
download_cache_zone zone=grants:1m;
download_cache_zone 'zone=o"d\\\\d<b>:64k';
download_storage files root=$html/files;
upstream app { server unix:$html/app.sock; }
END
    $block->set_value(config => <<"END" . ($block->config // ''));
location = /ready { return 200 ready; }
location = /status { download_status format=html; }
location /files/ { download storage files; }
location /dl/ { download object /_ask\$uri; download_cache grants; download_cache_key \$uri; download_cache_valid 1m denied=1m; }
location /_ask/ { internal; proxy_pass http://app; }
END
    $block->set_value(user_files => [['files/ten.txt', '0123456789']]);
    $block->set_value(init => 'package main; our ($python, $page); told_app(); some_requests(); ' . $block->story);
    $block->set_value(request => 'GET /ready');
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n");
});

our $page = 'http://127.0.0.1:' . Test::Nginx::Socket::server_port_for_client() . '/status';

sub status { return decode_json(fetch('/status?format=json')->{body}) }

# A little of everything. What the app says is markup, if anybody takes it for that.
sub some_requests {
    says('dl/a', grant('{"file":{"storage":"files","path":"ten.txt"}}'));
    says('dl/slow', grant('{"file":{"storage":"files","path":"ten.txt"}}'), after => 0.3);
    says('dl/no', answer(403, 'no'));
    says('dl/markup', grant('{"file":{"storage":"files","path":"<img src=x onerror=alert(1)></script><b>.txt"}}'));
    fetch("/$_") for ('dl/a') x 8, ('dl/no') x 3, 'dl/slow', 'dl/markup', ('files/ten.txt') x 5, 'files/none.txt';
    wait_for { my $sum = 0; $sum += $_ for values %{ status()->{outcomes} }; $sum == 19 };
}

sub text_of {
    my ($browser, $id) = @_;
    my $text = $browser->value("document.getElementById('$id').innerText") =~ s/\s+/ /gr;
    utf8::encode($text);
    return $text;
}

no_long_string();
run_tests();

__DATA__

=== the page: numbers, in both schemes of colours, on a phone
--- story
my $browser = Browser->new;
my %back;
for my $device ([1100, 1500, 'light'], [1100, 1500, 'dark'], [360, 740, 'light']) {
    my $what = "$device->[0] wide, $device->[2]";
    $browser->device(@$device);
    $browser->open($page);
    ok($browser->wait_for('!document.querySelector("main").hidden'), "$what: the numbers appear");
    is(join("\n", $browser->complaints), '', "$what: no complaint in the console");
    my %asked = map { $_ => 1 } $browser->requests;
    is(join(' ', sort keys %asked), "$page $page?format=json", "$what: nothing is asked for from elsewhere");
    like(text_of($browser, 'overview'), qr/^19 requests .* 2 failed .* 3 denied .* 69.2 % cache hit ratio 9 of 13/, "$what: at a glance")
        or diag(text_of($browser, 'overview'));
    like(text_of($browser, 'outcomes'), qr/sent whole \(200\) 14 73.7 % .* denied 3 15.8 % .* failed 2 10.5 %/, "$what: outcomes");
    like(text_of($browser, 'requests'), qr/asked cached signed none per s object 3 7 0 3 \S+ storage 0 0 0 6/, "$what: requests")
        or diag(text_of($browser, 'requests'));
    like(text_of($browser, 'files'), qr/files 14/, "$what: files");
    like(text_of($browser, 'asks'), qr/99 % at most 500 ms/, "$what: how long the app took") or diag(text_of($browser, 'asks'));
    like(text_of($browser, 'failures'), qr/missing app or disk: no such file \(README\.md, “Failures”: missing\) 2/, "$what: failures");
    like(text_of($browser, 'updated'), qr/^updated \d/, "$what: when");
    my $columns = $browser->value('document.querySelectorAll("#asks svg g").length');
    is($columns, 12, "$what: a column for each bucket");
    my $wide = $browser->value('document.documentElement.scrollWidth');
    cmp_ok($wide, '<=', $device->[0], "$what: it fits");
    ok(!$browser->value('[...document.querySelectorAll("td.n")].some(td => getComputedStyle(td).textAlign !== "right")'), "$what: numbers are at the right");
    $back{$device->[2]} = $browser->value('getComputedStyle(document.body).backgroundColor');
    my $png = $browser->screenshot;
    like($png, qr/^\x89PNG/, "$what: a picture");
    if ($ENV{STATUS_PNG} && $what eq '1100 wide, light') { make_file($ENV{STATUS_PNG}, $png) }
}
isnt($back{light}, $back{dark}, 'dark is another colour');



=== what the app and the client write is text
--- story
my $browser = Browser->new;
$browser->open($page);
$browser->wait_for('!document.querySelector("main").hidden');
like(text_of($browser, 'last_failures'), qr{<img src=x onerror=alert\(1\)></script><b>\.txt}, 'as it is');
is($browser->value('document.querySelectorAll("main img, main b, main script").length'), 0, 'no element of it');
like(text_of($browser, 'cache'), qr{o"d\\d<b>}, 'the name of a zone');
is(join("\n", $browser->complaints), '', 'no complaint');



=== it looks again, until it is paused
--- story
my $browser = Browser->new;
$browser->open($page);
$browser->wait_for('!document.querySelector("main").hidden');
fetch('/files/ten.txt') for 1 .. 3;
ok($browser->wait_for('document.getElementById("overview").innerText.startsWith("22")', 10), 'it looks again');
like(text_of($browser, 'overview'), qr{^22 requests (?!0 )[\d.]+ /s}, 'and tells how many in a second');
$browser->click('#pause');
is($browser->value('document.getElementById("pause").innerText + document.getElementById("pause").getAttribute("aria-pressed")'), 'Go ontrue', 'paused');
sleep 0.5;
my $times = () = $browser->requests;
fetch('/files/ten.txt');
sleep 4;
is(scalar(() = $browser->requests), $times, 'it does not look');
$browser->click('#pause');
ok($browser->wait_for('document.getElementById("overview").innerText.startsWith("23")', 10), 'it goes on');
is($browser->value('document.getElementById("pause").innerText'), 'Pause', 'until the next time');
is(join("\n", $browser->complaints), '', 'no complaint');



=== nginx goes away, and says so; the arguments of the page stay
--- config
location = /guarded { if ($arg_token != t) { return 403; } download_status format=html; }
--- story
my $browser = Browser->new;
$browser->open($page =~ s/status$/guarded?token=t/r);
ok($browser->wait_for('!document.querySelector("main").hidden'), 'the numbers appear');
$browser->value('history.replaceState(null, "", "?token=wrong")');
ok($browser->wait_for('document.getElementById("trouble").innerText !== ""', 10), 'in trouble');
is(text_of($browser, 'trouble'), 'The numbers cannot be fetched: nginx answered 403', 'it says why');
$browser->value('history.replaceState(null, "", "?token=t")');
ok($browser->wait_for('document.getElementById("trouble").innerText === ""', 10), 'and when it is over');



=== the policy holds: what somebody adds to the page does not run
--- config
location = /added {
    proxy_pass http://127.0.0.1:$TEST_NGINX_CLIENT_PORT/status;
    proxy_set_header Accept-Encoding "";
    sub_filter '</body>' '<script>document.title = "taken"</script><img src="/x.png" onerror="document.title=1"><style>body { display: none }</style></body>';
}
--- story
my $csp = (grep { lc $_->[0] eq 'content-security-policy' } @{ fetch('/status')->{headers} })[0][1];
like($csp, qr/^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'$/, 'the policy');
my %headers = map { lc $_->[0] => $_->[1] } @{ fetch('/status')->{headers} };
is("$headers{'cache-control'} $headers{'x-content-type-options'} $headers{'referrer-policy'} $headers{'content-type'}", 'no-store nosniff no-referrer text/html; charset=utf-8', 'and what else is said');
my $browser = Browser->new;
$browser->open($page =~ s/status$/added/r);
$browser->wait_for('document.getElementById("trouble").innerText !== "" || !document.querySelector("main").hidden');
is($browser->value('document.title'), 'nginx-download', 'no script of others');
is($browser->value('getComputedStyle(document.body).display'), 'block', 'no style of others');
ok(!(grep { m{/x\.png} } $browser->requests) || (grep { /x\.png/ } $browser->complaints), 'no image of others');
cmp_ok(scalar(grep { /Content Security Policy/ } $browser->complaints), '>=', 3, 'the console tells, so that its silence above tells something');
my $thrown = eval { $browser->value('document.body.innerHTML = "<b>x</b>"'); '' } // $@;
like($thrown, qr/TrustedHTML/, 'no markup from text, either');



=== each label has its words on the page
--- story
my $html = slurp('src/endpoint/status.html');
my $numbers = status();
for (['CAUSES', 'failures'], ['OUTCOMES', 'outcomes'], ['EVENTS', 'cache_events']) {
    my ($words, $metric) = @$_;
    my ($list) = $html =~ /^const $words = \{\n(.*?)^\};/ms;
    is(join(' ', sort $list =~ /\b(\w+): '/g), join(' ', sort keys %{ $numbers->{$metric} }), $words);
}
unlike($html =~ s{<!--.*?-->}{}gsr, qr/innerHTML|insertAdjacentHTML|document\.write|\beval\b|https?:(?!\/\/www\.w3\.org\/2000\/svg)/, 'no markup from text, nothing from elsewhere');



=== Prometheus's parser reads the numbers, and they are the same
--- story
my $script = File::Temp->new;
print $script <<'PYTHON';
import json, sys
from prometheus_client.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(sys.stdin.read()))
print(json.dumps([[f.name, f.type, f.documentation, [[s.name, s.labels, s.value] for s in f.samples]] for f in families]))
PYTHON
close $script;
my $r = fetch('/status?format=prometheus');
make_file('metrics', $r->{body});
my $numbers = status();
my $path = servroot() . '/html/metrics';
my $families = decode_json(`'$python' '$script' < '$path'`);
cmp_ok(scalar @$families, '>=', 17, 'metrics');
my $seen = 0;
for my $family (@$families) {
    my ($name, $type, $help, $samples) = @$family;
    like($help, qr/^[A-Z].*\.$/, "$name: what it is");
    my $key = $name =~ s/^nginx_download_//r;
    next if $key eq 'info';
    ok(exists $numbers->{$key}, "$name: it is in the JSON") or next;
    is($type, ref $numbers->{$key} && exists $numbers->{$key}{buckets} ? 'histogram' : $key =~ /^(?:cache_(?!events)|start)/ ? 'gauge' : 'counter', "$name: its type");
    my @wrong;
    for (@$samples) {
        my ($sample, $labels, $value) = @$_;
        my $of = $numbers->{$key};
        if ($type eq 'histogram') {
            $of = $sample =~ /_bucket$/ ? $of->{buckets}{ $labels->{le} } : $sample =~ /_sum$/ ? $of->{sum} : $of->{count};
        }
        else {
            $of = $of->{$_} for map { $labels->{$_} // () } qw(view decision outcome label event storage zone);
        }
        push @wrong, "$sample @{[%$labels]} $value" unless defined $of && !ref $of && abs($of - $value) < 0.0005;
        $seen++;
    }
    is(join("\n", @wrong), '', "$name: the same numbers");
}
cmp_ok($seen, '>=', 100, 'many numbers');
my ($zones) = grep { $_->[0] eq 'nginx_download_cache_blocks' } @$families;
is(join(' ', sort map { $_->[1]{zone} } @{ $zones->[3] }), 'grants o"d\\d<b>', 'names are escaped');
