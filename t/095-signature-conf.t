# vi:ft=
# Mistakes with download_signature: nginx does not start, says what to do, and shows no key.
#
# Sections of this file's own:
#   links    the arguments of download_signature in a location of its own, /dl/
#   good     nginx starts all the same
use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use File::Temp ();
use POSIX ();

# What user_files cannot make; outside of the servroot, which each block clears.
our $keys;
BEGIN {
    $keys = File::Temp::tempdir('test-nginx-keys-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    $ENV{TEST_NGINX_KEYS} = $keys;
    my %files = (
        good => "s3cr3t\n", empty => '', blank => "\n\r\n\n\r\n", spaces => "   \n", trailing => "s3cr3t\n\ns3cr3t2 \n", leading => "\ts3cr3t\n", nul => "s3cr3t\n\0s3cr3t\n",
        large => 's3cr3t' x 10_923, full => 's' x 65_536, 'with space' => "s3cr3t\n",
    );
    for (keys %files) {
        open my $f, '>:raw', "$keys/$_" or die "$keys/$_: $!";
        print $f $files{$_};
        close $f or die "$keys/$_: $!";
    }
    mkdir "$keys/folder" or die "$keys/folder: $!";
    POSIX::mkfifo("$keys/fifo", 0600) or die "$keys/fifo: $!";
    symlink 'nowhere', "$keys/dangling" or die "symlink: $!";
    symlink 'good', "$keys/link" or die "symlink: $!";
    symlink 'circle', "$keys/circle" or die "symlink: $!";
}

add_block_preprocessor(sub {
    my $block = shift;
    my $links = $block->links;
    chomp $links if defined $links;
    $block->set_value('config', $block->config // "location /dl/ { alias \$TEST_NGINX_SERVER_ROOT/html/; download_signature $links; }");
    $block->set_value('suppress_stderr', '');
    $block->set_value('no_error_log', "s3cr3t\n[alert]\n[crit]\n");
    if (defined $block->good) { $block->set_value('request', 'GET /dl/index.html'); $block->set_value('error_code', 403) }
    else { $block->set_value('must_die', '') }
});

no_long_string();
run_tests();

__DATA__

=== an unknown scheme
--- links: hmac key_file=$TEST_NGINX_KEYS/good
--- error_log
"download_signature" directive: unknown scheme "hmac": django, hmac-sha256, secure-link or off is expected



=== an unknown scheme: another case
--- links: Django key_file=$TEST_NGINX_KEYS/good
--- error_log
unknown scheme "Django"



=== no scheme
--- links: key_file=$TEST_NGINX_KEYS/good
--- error_log
unknown scheme "key_file=



=== no argument
--- config
location /dl/ { download_signature; }
--- error_log
invalid number of arguments in "download_signature" directive



=== off with an argument
--- links: off key_file=$TEST_NGINX_KEYS/good
--- error_log
"download_signature" directive: unknown scheme "off"



=== no key file
--- links: hmac-sha256
--- error_log
"download_signature" directive: needs key_file=PATH: a file with a key in each line



=== no key file, but all else
--- links: secure-link max_age=1h arg=s value=$arg_expires$uri
--- error_log
needs key_file=PATH



=== key_file without a name
--- links: django key_file=
--- error_log
is not a regular file



=== key_file: missing
--- links: django key_file=$TEST_NGINX_KEYS/missing
--- error_log
"download_signature" directive: the key file "
/missing" cannot be read: No such file or directory



=== key_file: the second is missing
--- links: django key_file=$TEST_NGINX_KEYS/good key_file=$TEST_NGINX_KEYS/missing
--- error_log
/missing" cannot be read: No such file or directory



=== key_file: empty
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/empty
--- error_log
the key file contains no key: write one on each line



=== key_file: the second is empty
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/good key_file=$TEST_NGINX_KEYS/empty
--- error_log
the key file contains no key: write one on each line



=== key_file: only blank lines
--- links: secure-link key_file=$TEST_NGINX_KEYS/blank
--- error_log
the key file contains no key: write one on each line



=== key_file: only spaces
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/spaces
--- error_log
line 1 of the key file begins or ends with a space or a tab



=== key_file: a line with a trailing space
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/trailing
--- error_log
line 3 of the key file begins or ends with a space or a tab



=== key_file: a line with a tab before it
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/leading
--- error_log
line 1 of the key file begins or ends with a space or a tab



=== key_file: NUL
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/nul
--- error_log
the key file contains a NUL byte: it must be text



=== key_file: larger than 64k
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/large
--- error_log
/large" is larger than 64k



=== key_file: just 64k
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/full
--- good
--- error_log
unsigned



=== key_file: a directory
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/folder
--- error_log
/folder" is not a regular file



=== key_file: a FIFO, which is not waited for
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/fifo
--- error_log
/fifo" is not a regular file



=== key_file: a device
--- links: hmac-sha256 key_file=/dev/zero
--- error_log
the key file "/dev/zero" is not a regular file



=== key_file: a dangling link
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/dangling
--- error_log
/dangling" cannot be read: No such file or directory



=== key_file: a link in a circle
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/circle
--- error_log
/circle" cannot be read: Too many levels of symbolic links



=== key_file: a link to a file
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/link
--- good
--- error_log
unsigned



=== key_file: a file as a folder
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/good/x
--- error_log
/good/x" cannot be read: Not a directory



=== key_file: a name that needs quotes
--- links: hmac-sha256 "key_file=$TEST_NGINX_KEYS/with space"
--- good
--- error_log
unsigned



=== key_file: relative to the prefix, not to nginx.conf
--- config
location /dl/ { download_signature hmac-sha256 key_file=conf/keys; }
--- user_files
>>> ../conf/keys
key
--- error_log
/conf/conf/keys" cannot be read: No such file or directory



=== key_file: beside nginx.conf
--- links: hmac-sha256 key_file=keys
--- user_files
>>> ../conf/keys
key
--- good
--- error_log
unsigned



=== key_file: variables are none
--- links: hmac-sha256 key_file=$host
--- error_log
/conf/$host" cannot be read: No such file or directory



=== max_age: no time
--- links: django key_file=$TEST_NGINX_KEYS/good max_age=soon
--- error_log
"download_signature" directive: "soon" is not a time, such as 30s



=== max_age: empty
--- links: django key_file=$TEST_NGINX_KEYS/good max_age=
--- error_log
is not a time, such as 30s



=== max_age: negative
--- links: django key_file=$TEST_NGINX_KEYS/good max_age=-1s
--- error_log
"-1s" is not a time, such as 30s



=== max_age: too long
--- links: django key_file=$TEST_NGINX_KEYS/good max_age=99999999999999999999
--- error_log
is not a time, such as 30s



=== arg: empty
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/good arg=
--- error_log
"download_signature" directive: the name of the argument must consist of letters, digits, "-", ".", "_", "~"



=== arg: a character that is escaped
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/good arg=a&b
--- error_log
the name of the argument must consist of letters



=== arg: a variable
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/good arg=$arg_x
--- error_log
the name of the argument must consist of letters



=== arg: a claim
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/good arg=prefix
--- error_log
"download_signature" directive: an argument of that name means something else in signed links



=== arg: a claim, in another case
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/good arg=Limit_Rate
--- error_log
an argument of that name means something else in signed links



=== arg: the expiry of secure-link
--- links: secure-link key_file=$TEST_NGINX_KEYS/good arg=EXPIRES
--- error_log
an argument of that name means something else in signed links



=== arg: what is a claim elsewhere
--- links: secure-link key_file=$TEST_NGINX_KEYS/good arg=prefix
--- good
--- error_log
unsigned



=== value: with django
--- links: django key_file=$TEST_NGINX_KEYS/good value=$arg_expires
--- error_log
"download_signature" directive: value= goes with secure-link



=== value: with hmac-sha256
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/good value=$arg_expires$uri
--- error_log
value= goes with secure-link



=== value: without the expiry
--- links: secure-link key_file=$TEST_NGINX_KEYS/good "value=$uri "
--- error_log
"download_signature" directive: value= must contain $arg_expires: anybody could prolong a link otherwise



=== value: empty
--- links: secure-link key_file=$TEST_NGINX_KEYS/good value=
--- error_log
value= must contain $arg_expires



=== value: the expiry without its dollar
--- links: secure-link key_file=$TEST_NGINX_KEYS/good value=arg_expires$uri
--- error_log
value= must contain $arg_expires



=== value: an argument whose name begins with expires
--- links: secure-link key_file=$TEST_NGINX_KEYS/good value=$arg_expires_in$uri
--- error_log
value= must contain $arg_expires



=== value: and one whose name goes on
--- links: secure-link key_file=$TEST_NGINX_KEYS/good value=$arg_expires2$uri
--- error_log
value= must contain $arg_expires



=== value: nginx's own variable, which is empty without secure_link
--- links: secure-link key_file=$TEST_NGINX_KEYS/good value=$secure_link_expires$uri
--- error_log
value= must contain $arg_expires



=== value: both, a longer name and the expiry
--- links: secure-link key_file=$TEST_NGINX_KEYS/good value=$arg_expires_in,$arg_expires,$uri
--- good
--- error_log
unsigned



=== value: in braces
--- links: secure-link key_file=$TEST_NGINX_KEYS/good value=${arg_expires}s$uri
--- good
--- error_log
unsigned



=== value: a variable that does not exist
--- links: secure-link key_file=$TEST_NGINX_KEYS/good value=$arg_expires$no_such
--- error_log
unknown "no_such" variable



=== duplicate parameters: max_age
--- links: django key_file=$TEST_NGINX_KEYS/good max_age=1h max_age=1h
--- error_log
"download_signature" directive: "max_age=1h" is given twice



=== duplicate parameters: arg
--- links: django key_file=$TEST_NGINX_KEYS/good arg=a arg=b
--- error_log
"arg=b" is given twice



=== duplicate parameters: value
--- links: secure-link key_file=$TEST_NGINX_KEYS/good value=$arg_expires value=$arg_expires$uri
--- error_log
"value=$arg_expires$uri" is given twice



=== an unknown parameter
--- links: django key_file=$TEST_NGINX_KEYS/good maxage=1h
--- error_log
"download_signature" directive: "maxage=1h": key_file=, max_age=, arg= or value= is expected



=== a key in nginx.conf
--- links: django key=x
--- error_log
"key=x": key_file=, max_age=, arg= or value= is expected



=== max_age of less than a second
--- links: hmac-sha256 key_file=$TEST_NGINX_KEYS/good max_age=500ms
--- error_log
"max_age=500ms" is too short: a second is the least



=== the directive twice
--- config
location /dl/ {
    download_signature hmac-sha256 key_file=$TEST_NGINX_KEYS/good;
    download_signature hmac-sha256 key_file=$TEST_NGINX_KEYS/good;
}
--- error_log
"download_signature" directive: is duplicate



=== the directive twice: off
--- config
location /dl/ {
    download_signature hmac-sha256 key_file=$TEST_NGINX_KEYS/good;
    download_signature off;
}
--- error_log
"download_signature" directive: is duplicate



=== in server {}
--- config
download_signature off;
--- error_log
"download_signature" directive is not allowed here



=== in http {}
--- http_config
download_signature hmac-sha256 key_file=$TEST_NGINX_KEYS/good;
--- config
location /dl/ { }
--- error_log
"download_signature" directive is not allowed here



=== in an if block
--- config
location /dl/ { if ($arg_x) { download_signature off; } }
--- error_log
"download_signature" directive is not allowed here



=== in a limit_except block
--- config
location /dl/ { limit_except GET { download_signature off; } }
--- error_log
"download_signature" directive is not allowed here
