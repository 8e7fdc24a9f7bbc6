# vi:ft=
# Nothing but regular files below a root comes out of it, with and without symlinks=on,
# with and without open_file_cache, by openat2(2) and without it.
#
# `names` is a table: the status expected with symlinks=off, the one with symlinks=on, and
# what follows the location's prefix in the URI. Each is asked for twice, with and without
# open_file_cache. The root is html/root; what is in html/outside must never be seen.
# `without_openat2` runs the block as on a kernel that lacks this system call; with `openat2_fails` it
# fails by that error, so many times for each time that it works.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Cwd ();
use File::Temp ();
use Wire;

no_root_location();
master_on();

my $preloaded = $ENV{LD_PRELOAD};

add_block_preprocessor(sub {
    my $block = shift;
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    my $root  = $block->root // "$html/root";
    chomp $root;
    $block->set_value(http_config => ($block->http_config // '')
        . "download_storage off root=$root;\ndownload_storage on root=$root symlinks=on;\n");
    my $cache = 'open_file_cache max=100; open_file_cache_valid 60s; open_file_cache_errors on;';
    $block->set_value(config => <<"END" . ($block->config // ''));
location /off/ { download storage off; }
location /on/ { download storage on; }
location /cached/off/ { download storage off; $cache }
location /cached/on/ { download storage on; $cache }
location = /ready { return 200; }
location / { return 404; }
END
    $block->set_value(user_files => [
        ['root/file.txt', 'inside'], ['root/sub/inner.txt', 'inside'],
        ['outside/secret.txt', 'SECRET'], ['outside/sub/inner.txt', 'SECRET'],
    ]);
    $block->set_value(request => 'GET /ready') unless defined $block->request;
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n") unless defined $block->no_error_log;
    my $skip = defined $block->worker_user && $> != 0 ? 'only root can choose the worker user' : '';
    $block->set_value(init => 'package main; within_root(sub {' . ($block->init // '') . '});');
    as_user($block->worker_user // 'root') if $> == 0;
    my @fails = defined $block->without_openat2 ? ('ENOSYS', 1 << 30) : defined $block->openat2_fails ? split ' ', $block->openat2_fails : ();
    my $shim = @fails ? shim(@fails) : undef;
    $skip = 'no C compiler' if @fails && !defined $shim;
    preload($shim);
    $block->set_value(skip_eval => '5: 1') if $skip;
});

# Runs a block's init in the root.
sub within_root {
    my $code = shift;
    my $home = Cwd::getcwd();
    chdir servroot() . '/html/root' or die $!;
    my $done = eval { $code->(); 1 };
    chdir $home or die $!;
    die $@ unless $done;
}

# A library in which openat2(2) fails by `errno`: so many times running, for each time that it
# then works. undef where there is no compiler.
my $shim_dir;
sub shim {
    my ($errno, $times) = @_;
    $shim_dir //= File::Temp->newdir;
    my $so = "$shim_dir/openat2-$errno-$times.so";
    return $so if -e $so;
    open my $c, '>', "$shim_dir/openat2.c" or die $!;
    print $c <<'END';
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/syscall.h>
long syscall(long number, long a, long b, long c, long d, long e, long f) {
    static int failed;
    if (number == SYS_openat2 && failed++ < TIMES) { errno = ERRNO; return -1; }
    if (number == SYS_openat2) failed = 0;
    long (*real)(long, ...) = (long (*)(long, ...)) dlsym(RTLD_NEXT, "syscall");
    return real(number, a, b, c, d, e, f);
}
END
    close $c;
    system('cc', "-DERRNO=$errno", "-DTIMES=$times", '-shared', '-fPIC', '-o', $so, "$shim_dir/openat2.c", '-ldl') == 0 or return undef;
    return $so;
}

# The one Test::Nginx::Socket takes it from the first, the other from the second.
sub preload {
    my $so = shift;
    for my $name (qw(LD_PRELOAD TEST_NGINX_LD_PRELOAD)) {
        $ENV{$name} = join ' ', grep { defined } $so, $preloaded;
        delete $ENV{$name} if $ENV{$name} eq '';
    }
}

add_response_body_check(sub {
    my $block = shift;
    return unless defined $block->names;
    for my $line (split /\n/, $block->names) {
        my ($off, $on, $name) = $line =~ /^(\d+) (\d+) (\S*)$/ or next;
        for (['/off', $off], ['/on', $on], ['/cached/off', $off], ['/cached/on', $on]) {
            my ($prefix, $status) = @$_;
            check($block, "$prefix/$name", $status, $_) for 'first', 'second';
        }
    }
});

# In the root: what the location /health says of it.
sub told_by_health {
    my @all = qw(storage:off storage:on probe:off:file.txt probe:on:sub/inner.txt);
    for ([0755, 0755, 0644, ''], [0711, 0711, 0644, ''], [0644, 0755, 0644, "@all"], [0755, 0755, 0600, $all[2]], [0755, 0700, 0644, $all[3]]) {
        my ($root, $sub, $file, $guilty) = @$_;
        chmod $sub, 'sub' or die $!;
        chmod $file, 'file.txt' or die $!;
        chmod $root, '.' or die $!;
        my $r = fetch('/health');
        my $what = sprintf 'modes %o %o %o', $root, $sub, $file;
        is($r->{status}, $guilty eq '' ? 200 : 503, "$what: status");
        is(join(' ', $r->{body} =~ /^  "([^"]+)": \{"status": "fail"/mg), $guilty, "$what: who is guilty");
    }
}

sub check {
    my ($block, $uri, $status, $time) = @_;
    my $short = $block->name . ' - ' . substr($uri, 0, 80) . ", $time time";
    my $start = Time::HiRes::time();
    my $r = fetch($uri);
    my $seconds = Time::HiRes::time() - $start;
    is($r->{status}, $status, $short);
    is($r->{body}, 'inside', "$short: what is inside") if $r->{status} == 200;
    unlike($r->{body}, qr/SECRET|root:/, "$short: nothing of what is outside");
    cmp_ok($seconds, '<', 2, "$short: at once");
}

# For 3 seconds a file and a directory are now what they should be, now symlinks to the
# secret; requests go on meanwhile.
sub race {
    my @prefixes = @_;
    my $root = servroot() . '/html/root';
    symlink '../outside/secret.txt', "$root/file-link" or die $!;
    symlink '../outside/sub', "$root/dir-link" or die $!;
    # with symlinks=on found by going up, which a rename disturbs
    make_file('root/steady.txt', 'inside');
    mkdir "$root/deep" or die $!;
    symlink '../steady.txt', "$root/deep/up" or die $!;
    my $swapper = fork_off(sub {
        while (1) {
            for my $swap (['file.txt', 'file-link'], ['sub', 'dir-link']) {
                my ($real, $link) = map { "$root/$_" } @$swap;
                rename $real, "$real.kept" and rename $link, $real and rename $real, $link and rename "$real.kept", $real or die $!;
            }
        }
    });
    my (%seen, $secrets, $odd);
    my $end = Time::HiRes::time() + 3;
    while (Time::HiRes::time() < $end) {
        for my $r (burst(map { my $p = $_; map { GET("$p/$_") } qw(file.txt sub/inner.txt deep/up) } @prefixes)) {
            $seen{ $r->{status} }++;
            $secrets++ if $r->{body} =~ /SECRET/;
            $odd++ unless $r->{status} == 404 || "$r->{status} $r->{body}" eq '200 inside';
        }
    }
    stop($swapper);
    Test::More::note(join ', ', map { "$seen{$_} times $_" } sort keys %seen);
    is($secrets, undef, 'the secret never came out');
    is($odd, undef, 'nothing but the file and 404');
    ok($seen{200} && $seen{404}, 'there were both');
}

# A name as it stands in a URI.
sub encoded { join '', map { sprintf '%%%02X', ord } split //, shift }

no_long_string();
run_tests();

__DATA__

=== regular files
--- names
200 200 file.txt
200 200 sub/inner.txt
200 200 sub//inner.txt
200 200 ./sub/./inner.txt



=== symlinks out of the root: relative, absolute, by way of a directory, over another symlink
--- init
symlink '../outside/secret.txt', 'relative' or die $!;
symlink servroot() . '/html/outside/secret.txt', 'absolute' or die $!;
symlink '../outside', 'dir' or die $!;
symlink servroot() . '/html/outside', 'absolute-dir' or die $!;
symlink 'relative', 'twice' or die $!;
symlink '../../outside/secret.txt', 'sub/deep' or die $!;
symlink '/etc/passwd', 'passwd' or die $!;
symlink '/', 'slash' or die $!;
--- names
404 404 relative
404 404 absolute
404 404 dir/secret.txt
404 404 dir/sub/inner.txt
404 404 absolute-dir/secret.txt
404 404 twice
404 404 sub/deep
404 404 passwd
404 404 slash/etc/passwd



=== symlinks out of the root, without openat2
--- without_openat2
--- init
symlink '../outside/secret.txt', 'relative' or die $!;
symlink servroot() . '/html/outside/secret.txt', 'absolute' or die $!;
symlink '../outside', 'dir' or die $!;
symlink 'relative', 'twice' or die $!;
symlink '/', 'slash' or die $!;
--- names
404 404 relative
404 404 absolute
404 404 dir/secret.txt
404 404 twice
404 404 slash/etc/passwd
200 200 file.txt
200 200 sub/inner.txt
404 404 missing
404 404 sub



=== symlinks inside the root
--- init
symlink 'file.txt', 'relative' or die $!;
symlink servroot() . '/html/root/sub/inner.txt', 'absolute' or die $!;
symlink 'sub', 'dir' or die $!;
symlink servroot() . '/html/root/sub', 'absolute-dir' or die $!;
symlink 'relative', 'twice' or die $!;
symlink '../file.txt', 'sub/up' or die $!;
--- names
404 200 relative
404 200 absolute
404 200 dir/inner.txt
404 200 absolute-dir/inner.txt
404 200 twice
404 200 sub/up



=== symlinks inside the root, without openat2
--- without_openat2
--- init
symlink 'file.txt', 'relative' or die $!;
symlink servroot() . '/html/root/sub/inner.txt', 'absolute' or die $!;
symlink 'sub', 'dir' or die $!;
symlink '../file.txt', 'sub/up' or die $!;
--- names
404 200 relative
404 200 absolute
404 200 dir/inner.txt
404 200 sub/up



=== openat2 is really gone where the blocks say so
--- without_openat2
--- init
my $pid = (workers_of(master()))[0];
like(slurp("/proc/$pid/maps"), qr/openat2-ENOSYS-\d+\.so/, 'the worker has the library loaded');
--- names
200 200 file.txt



=== openat2 that is disturbed by renames is tried again
--- openat2_fails: EAGAIN 15
--- init
symlink '../outside/secret.txt', 'link' or die $!;
--- names
200 200 file.txt
200 200 sub/inner.txt
404 404 link
404 404 missing



=== openat2 that is disturbed by renames is given up, in the end
--- openat2_fails: EAGAIN 1000000000
--- init
# /cached/off is nginx's own way
my %status = ('/off/file.txt' => 500, '/on/file.txt' => 500, '/cached/on/file.txt' => 500, '/cached/off/file.txt' => 200);
is(fetch($_)->{status}, $status{$_}, "$_: and no wait without end") for sort keys %status;
--- no_error_log
[alert]
[emerg]
--- error_log
[crit]
download storage: system: "file.txt" in storage "off"
Resource temporarily unavailable



=== openat2 that is forbidden, as in some sandboxes
--- openat2_fails: EPERM 1000000000
--- init
symlink '../outside/secret.txt', 'link' or die $!;
--- names
200 200 file.txt
200 200 sub/inner.txt
404 404 link



=== symlinks that lead nowhere
--- init
symlink 'loop', 'loop' or die $!;
symlink 'ping', 'pong' or die $!;
symlink 'pong', 'ping' or die $!;
symlink servroot() . '/html/root/absolute-loop', 'absolute-loop' or die $!;
symlink 'gone', 'dangling' or die $!;
symlink '/gone/too', 'dangling-absolute' or die $!;
symlink 'sub', 'to-dir' or die $!;
--- names
404 404 loop
404 404 absolute-loop
404 404 ping
404 404 dangling
404 404 dangling-absolute
404 404 to-dir
404 404 loop/file.txt



=== symlinks that lead nowhere, without openat2
--- without_openat2
--- init
symlink 'loop', 'loop' or die $!;
symlink 'gone', 'dangling' or die $!;
symlink 'sub', 'to-dir' or die $!;
--- names
404 404 loop
404 404 dangling
404 404 to-dir



=== a root that is reached by a symlink
--- init
rename servroot() . '/html/root', servroot() . '/html/elsewhere' or die $!;
symlink 'elsewhere', servroot() . '/html/root' or die $!;
--- names
200 200 file.txt
200 200 sub/inner.txt
404 404 missing



=== a root with a slash at its end
--- root: $TEST_NGINX_SERVER_ROOT/html/root/
--- init
symlink '../outside/secret.txt', 'relative' or die $!;
--- names
200 200 file.txt
200 200 sub/inner.txt
404 404 relative
404 404 ../outside/secret.txt
404 404 -old/x
404 404 



=== a root that was replaced while nginx runs
--- init
rename servroot() . '/html/root', servroot() . '/html/old' or die $!;
mkdir servroot() . '/html/root' or die $!;
make_file('root/new.txt', 'inside');
--- names
200 200 new.txt
404 404 file.txt



=== a root that is gone
--- init
rename servroot() . '/html/root', servroot() . '/html/old' or die $!;
--- names
404 404 file.txt



=== what is no regular file: FIFO, socket, directory
--- init
POSIX::mkfifo('fifo', 0666) or die $!;
our $socket = IO::Socket::UNIX->new(Local => 'socket', Listen => 1) or die $!;
mkdir 'empty' or die $!;
--- names
404 404 fifo
404 404 socket
404 404 empty
404 404 empty/
404 404 sub
404 404 sub/
404 404 sub/.
404 404 fifo/x
404 404 file.txt/
404 404 



=== what is no regular file, without openat2
--- without_openat2
--- init
POSIX::mkfifo('fifo', 0666) or die $!;
our $socket = IO::Socket::UNIX->new(Local => 'socket', Listen => 1) or die $!;
--- names
404 404 fifo
404 404 socket
404 404 sub
404 404 sub/



=== devices
--- root: /dev
--- names
404 404 null
404 404 zero
404 404 tty
404 404 stdin
404 404 fd/0



=== magic links of /proc
--- root: /proc/self
--- names
404 404 root
404 404 root/etc/passwd
404 404 cwd
404 404 cwd/conf/nginx.conf
404 404 exe
404 404 fd
404 404 fd/0
404 404 fd/1
404 404 fd/2
404 404 fd/3
404 404 fd/4
404 404 fd/5



=== magic links of /proc, without openat2
--- root: /proc/self
--- without_openat2
--- names
404 404 root/etc/passwd
404 404 cwd/conf/nginx.conf
404 404 exe
404 404 fd/0
404 404 fd/3



=== magic links of /proc, by way of its own symlinks
--- root: /proc
--- names
404 404 self/root/etc/passwd
404 404 self/cwd/conf/nginx.conf
404 404 self/exe
404 404 thread-self/root/etc/passwd
404 404 1/root/etc/passwd



=== what is not there
--- names
404 404 missing
404 404 missing/file.txt
404 404 file.txt/file.txt



=== what the worker may not read
--- worker_user: nobody
--- error_log
download storage: unreadable: "file.txt" in storage "off"
download storage: unreadable: "sub/inner.txt" in storage "on"
may not be read by the nginx worker (uid 
--- init
chmod 0755, servroot(), servroot() . '/html', '.' or die $!;
chmod 0600, 'file.txt' or die $!;
chmod 0700, 'sub' or die $!;
make_file('root/readable.txt', 'inside');
--- names
404 404 file.txt
404 404 sub/inner.txt
200 200 readable.txt



=== what the worker may not read, without openat2
--- worker_user: nobody
--- without_openat2
--- init
chmod 0755, servroot(), servroot() . '/html', '.' or die $!;
chmod 0600, 'file.txt' or die $!;
chmod 0700, 'sub' or die $!;
make_file('root/readable.txt', 'inside');
--- names
404 404 file.txt
404 404 sub/inner.txt
200 200 readable.txt



=== download_health tells what the worker may not read
--- worker_user: nobody
--- config
location = /health { download_health probe=off:file.txt probe=on:sub/inner.txt valid=0; }
--- init
chmod 0755, servroot(), servroot() . '/html' or die $!;
told_by_health();



=== download_health tells what the worker may not read, without openat2
--- worker_user: nobody
--- without_openat2
--- config
location = /health { download_health probe=off:file.txt probe=on:sub/inner.txt valid=0; }
--- init
chmod 0755, servroot(), servroot() . '/html' or die $!;
told_by_health();



=== what may not be had looks like what is not there, to the byte
--- worker_user: nobody
--- init
chmod 0755, servroot(), servroot() . '/html', '.' or die $!;
chmod 0600, 'file.txt' or die $!;
chmod 0700, 'sub' or die $!;
mkdir 'empty' or die $!;
symlink '../outside/secret.txt', 'link' or die $!;
symlink 'loop', 'loop' or die $!;
POSIX::mkfifo('fifo', 0666) or die $!;
our $socket = IO::Socket::UNIX->new(Local => 'socket', Listen => 1) or die $!;
for my $where ('/off', '/on', '/cached/off', '/cached/on') {
    my %seen;
    push @{ $seen{ raw(GET("$where/$_")) =~ s/^Date: .*\r\n//mr } }, $_
        for 'missing', 'file.txt', 'sub/inner.txt', 'empty', 'empty/', 'link', 'loop', 'fifo', 'socket', 'missing/x', 'file.txt/x', '%2e%2e%2f%252e%252e/x', 'x' x 300;
    is(scalar keys %seen, 1, "$where: one response for all") or diag(map { "@$_\n" } values %seen);
    like((keys %seen)[0], qr/^HTTP\/1.1 404 /, "$where: a 404");
}



=== directories that the worker may pass but not list
--- worker_user: nobody
--- init
chmod 0755, servroot(), servroot() . '/html' or die $!;
chmod 0711, '.', 'sub' or die $!;
--- names
200 200 file.txt
200 200 sub/inner.txt



=== names with all kinds of bytes
--- init
my @names = ('a b', '100%', '%2e%2e', 'what?', 'a#b', "new\nline", "car\rriage", 'quo"te', "apos'trophe", 'back\\slash', "\xc3\xa4.txt",
    "\xe4.txt", 'semi;colon', "tab\t", '..dots', '...', 'dots..', ' ', '-', '~', '$uri', "\x01\x7f\xff");
for my $name (@names) {
    open my $f, '>:raw', $name or die "$name: $!";
    print $f 'inside';
    close $f;
    for my $prefix (qw(/off /on /cached/off /cached/on)) {
        my $r = fetch("$prefix/" . encoded($name));
        is("$r->{status} $r->{body}", '200 inside', "$prefix/" . encoded($name));
        is(scalar(grep { $_->[0] !~ /^(?:Server|Date|Content-(?:Type|Length|Disposition)|Last-Modified|Connection|ETag|Accept-Ranges)$/ } @{ $r->{headers} }),
            0, "$prefix/" . encoded($name) . ': no header field of its own making') or diag($r->{head});
    }
}



=== a slash that is encoded is a slash, once
--- names
200 200 sub%2Finner.txt
404 404 sub%252Finner.txt
404 404 sub%5Cinner.txt



=== the way up
--- names
404 404 ../outside/secret.txt
404 404 ..%2foutside/secret.txt
404 404 %2e%2e/outside/secret.txt
404 404 %2e%2e%2foutside%2fsecret.txt
404 404 %252e%252e/outside/secret.txt
404 404 %252e%252e%252foutside/secret.txt
404 404 sub/../../outside/secret.txt
404 404 sub/..%2f..%2foutside/secret.txt
404 404 ..;/outside/secret.txt
404 404 ..%5coutside/secret.txt
404 404 ..%c0%afoutside/secret.txt
404 404 sub/..
200 200 sub/../file.txt
200 200 sub/%2e%2e/file.txt



=== NUL and names that are too long
--- init
my %status = ("file.txt%00" => 400, "file.txt%00.jpg" => 400, 'x' x 255 => 404, 'x' x 256 => 404, 'x' x 5000 => 404,
    'x/' x 2500 . 'y' => 404, 'sub/./' x 800 . 'file.txt' => 404, '%2e/' x 1200 . 'file.txt' => 200);
$status{$_} = 400 for "file.txt\0", "file.txt\0.jpg", "\0file.txt";
for my $name (sort keys %status) {
    my $short = $name =~ /\0/ ? $name =~ s/\0/\\0/r : length $name > 40 ? length($name) . ' bytes of ' . substr $name, 0, 10 : $name;
    for my $prefix (qw(/off /on /cached/off /cached/on)) { is(fetch("$prefix/$name")->{status}, $status{$name}, "$prefix/$short") }
}



=== paths from variables: absolute, on the way up, empty, encoded
--- config
location = /storage { download storage off $arg_f; }
location = /path { download path $TEST_NGINX_SERVER_ROOT/html/root/$arg_f; }
location = /path-within { download path $TEST_NGINX_SERVER_ROOT/html/root/x$arg_f; }
--- request eval
[map { my $l = $_; map { "GET $l?f=$_" } qw(file.txt /file.txt ../outside/secret.txt sub/../file.txt sub/../../outside/secret.txt /etc/passwd ..),
    '%2e%2e/outside/secret.txt', '' } qw(/storage /path /path-within)]
--- error_code eval
[200, 404, 404, 404, 404, 404, 404, 404, 404,
 200, 200, 404, 404, 404, 404, 404, 404, 404,
 404, 404, 404, 404, 404, 404, 404, 404, 404]
--- response_body_unlike eval
[('SECRET|root:') x 27]



=== a regular expression that leaves the slash to the path
--- config
merge_slashes off;
location ~ ^/re/(.*)$ { download storage off $1; }
--- request eval
["GET /re/file.txt", "GET /re//file.txt", "GET /re//etc/passwd", "GET /re/sub//inner.txt"]
--- error_code eval
[200, 404, 404, 200]
--- response_body_unlike eval
[('SECRET|root:') x 4]



=== a location without a slash at its end
--- config
location /i { download storage off; }
location /files { download storage off; }
--- request eval
["GET /i/file.txt", "GET /i../outside/secret.txt", "GET /i../root/file.txt", "GET /ifile.txt", "GET /i", "GET /i/", "GET /files-old/file.txt", "GET /files%2ffile.txt"]
--- error_code eval
[200, 404, 404, 404, 404, 404, 404, 200]
--- response_body_unlike eval
[('SECRET') x 8]



=== an open_file_cache that a static location shares, which follows symlinks
--- config
open_file_cache max=100; open_file_cache_valid 60s;
location /static/ { alias $TEST_NGINX_SERVER_ROOT/html/root/; }
location /shared/off/ { download storage off; }
location /shared/on/ { download storage on; }
--- init
symlink '../outside/secret.txt', 'link' or die $!;
--- request eval
["GET /static/link", "GET /shared/off/link", "GET /shared/on/link", "GET /static/link", "GET /shared/off/link"]
--- error_code eval
[200, 404, 404, 200, 404]



=== a cached file that becomes a symlink, a directory, or unreadable, once valid is over
--- config
location /brief/ { download storage off; open_file_cache max=100; open_file_cache_valid 1s; }
--- init
make_file("root/$_", 'inside') for qw(link dir gone);
is(fetch("/brief/$_")->{status}, 200, "$_: a file") for qw(link dir gone);
unlink qw(link dir gone) or die $!;
symlink '../outside/secret.txt', 'link' or die $!;
mkdir 'dir' or die $!;
sleep 3;
is(fetch("/brief/$_")->{status}, 404, "$_: no file any more") for qw(link dir gone);



=== a file that becomes unreadable, and its directory, once valid is over
--- worker_user: nobody
--- config
location /brief/off/ { download storage off; open_file_cache max=100; open_file_cache_valid 1s; }
location /brief/on/ { download storage on; open_file_cache max=100; open_file_cache_valid 1s; }
location /static/ { alias $TEST_NGINX_SERVER_ROOT/html/root/; open_file_cache max=100; open_file_cache_valid 1s; disable_symlinks on; }
--- init
chmod 0755, servroot(), servroot() . '/html', '.', 'sub' or die $!;
my @all = map { my $where = $_; map { "$where/$_" } 'file.txt', 'sub/inner.txt' } qw(/off /on /brief/off /brief/on /static);
is(fetch($_)->{status}, 200, "$_: readable") for @all;
chmod 0600, 'file.txt' or die $!;
chmod 0700, 'sub' or die $!;
sleep 3;
is(fetch($_)->{status}, /static/ ? 403 : 404, "$_: not any more") for @all;



=== a directory of the path that becomes a symlink, while the file in it is cached
--- config
location /brief/ { download storage off; open_file_cache max=100; open_file_cache_valid 1s; }
--- init
is(fetch('/brief/sub/inner.txt')->{body}, 'inside', 'a real directory');
rename 'sub', 'was-sub' or die $!;
symlink '../outside/sub', 'sub' or die $!;
sleep 3;
my $r = fetch('/brief/sub/inner.txt');
is($r->{status}, 404, 'a symlink to a directory outside');
unlike($r->{body}, qr/SECRET/, 'nothing of what is outside');



=== a file that is swapped for a symlink, all the time
--- config
location /fleeting/off/ { download storage off; open_file_cache max=100; open_file_cache_valid 0; }
location /fleeting/on/ { download storage on; open_file_cache max=100; open_file_cache_valid 0; }
--- init
race(qw(/off /on /cached/off /cached/on /fleeting/off /fleeting/on));



=== a file that is swapped for a symlink, without openat2
--- without_openat2
--- config
location /fleeting/off/ { download storage off; open_file_cache max=100; open_file_cache_valid 0; }
location /fleeting/on/ { download storage on; open_file_cache max=100; open_file_cache_valid 0; }
--- init
race(qw(/off /on /fleeting/off /fleeting/on));
