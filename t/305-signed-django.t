# Links that Django and django-downloadview sign, checked by nginx as nginx-conf/signed.conf has it;
# and by Django itself, which has to agree. t/apps/django-signed makes and checks them.

use strict;
use warnings;
use lib 't/lib';
use File::Temp ();
use JSON::PP ();
use Test::More;
use Apps;
use Links;

my $python = Apps::installed('python') . '/bin/python';
my $json = JSON::PP->new->utf8->canonical;
my ($conf, $prefix) = ('signed.conf', '/media/');

# In the key file. Any text will do for Django; get_random_secret_key() likes some of these.
my @keys = ('django-insecure-^k3y&with=odd+chars%20', '#(!-_@$*^)=x{"\'}\\', "cl\xc3\xa9 secr\xc3\xa8te \xe6\x97\xa5");
my @names = (
    @Apps::Names, 'q3.pdf', 'a:b.txt', 'tilde~!*().txt', 'x=1&y=2.txt', "cafe\xcc\x81.txt", "\xf0\x9f\x98\x80.txt", 'a  b.txt', '%2e%2e', '%', 'a%2Fb.txt', 'sub/100%/e f.txt',
    'x' x 240, "\xe6\x97\xa5" x 80,
);

my $site = Apps->new($conf, 'signed');
my %bytes = map { $_ => "This is <$_>\n" } @names;
$bytes{'q3.pdf'} = $Apps::Files{'q3.pdf'};
$site->put("srv/media/$_", $bytes{$_}) for @names;
$site->put("srv/log/$_", '') for 'links.log';
$site->put('srv/keys/django', join "\r\n", @keys, '');
$site->put("srv/keys/$_", "another\n") for 'links', 'secure-link';
$site->start_nginx;

good_links();
agreement();
ages();
rotation();
$site->end;
unlike($site->log, qr/\Q$_\E/, 'signed: no key in error.log') for @keys;
done_testing();

# Each name, by the URL that the storage gives and by an encoded one.
sub good_links {
    my @links = django(map { { path => text($_), key => text($keys[0]) } } @names);
    for my $at (0 .. $#names) {
        my $name = $names[$at];
        $site->is_file($site->ask(bytes($links[$at]{$_})), $bytes{$name}, "$_: $name") for qw(storage signer);
        for my $kind (grep { !/^(?:storage|signer)$/ } sort keys %{$links[$at]}) {
            is($site->ask(bytes($links[$at]{$kind}))->{status}, 403, "signed: $kind: $name");
        }
    }
    # what one name was signed for no other one is given for
    my %wrong;
    for my $at (0 .. $#names) {
        my $signature = bytes($links[$at]{storage}) =~ s/.*?\?//r;
        for my $other (grep { $_ ne $names[$at] } @names) {
            my $r = $site->ask($prefix . Apps::encoded($other) . "?$signature");
            $wrong{"$names[$at] opens $other"} = 1 if $r->{status} != 403;
        }
    }
    is(join('; ', sort keys %wrong), '', 'signed: each link is for its own name');
}

# Does Django accept what nginx does, and the other way round?
sub agreement {
    my @names = ('q3.pdf', 'sub/in sub.txt', '100%.txt', "gr\xc3\xb6\xc3\x9fe.txt");
    my @links = map { bytes($_->{storage}), bytes($_->{signer}) } django(map { { path => text($_), key => text($keys[0]) } } @names);
    push @links, map { bytes($_->{storage}) } django({ path => 'q3.pdf', key => 'no key of ours' });
    my @urls = @links;
    for my $link (@links) {
        my ($path, $signature) = $link =~ /^(.*?\?X-Signature=)(.*)$/;
        my ($message, $code) = $signature =~ /^(.*)(?::|%3A)([\w-]{43})$/;
        my ($separator) = $signature =~ /(:|%3A)[\w-]{43}$/;
        push @urls, map { "$path$message$separator$_" } (flips($code))[0, 7, 100, 255], "$code=", "${code}A", substr($code, 1), lc $code, '';
        push @urls, "$path$separator$code", $path, $path . $signature x 2, "$path${signature}%20", "$path%20$signature", $link =~ s/X-S/x-s/r, $link =~ s/\?.*//r, $link =~ s/q3\.pdf\?/empty.txt?/r,
            $link =~ s/(?<=\?X-Signature=)\//%2F/r, $link =~ s/(?<=\?X-Signature=)\//%252F/r, "$link&x=1", $link =~ s/\?/?x=1&/r;
        # the time
        push @urls, map { $path . $message =~ s/[0-9A-Za-z]+$/$_/r . "$separator$code" } '', 0, '-1', 'zzzzzz', '1xV8JX';
    }
    my @verdicts = django(map { { url => $_, key => text($keys[0]), fallbacks => [map { text($_) } @keys[1, 2]], max_age => 3600 } } @urls);
    my (%differ, %agree);
    for my $at (0 .. $#urls) {
        my $ours = $site->ask($urls[$at])->{status} == 200;
        $agree{$ours ? 1 : 0}++;
        # Django's signer reads the value as a form has it. SignedFileSystemStorage appends it as it is,
        # so that escapes in it are lost on the way; nginx sees both.
        my $storage = $urls[$at] =~ /X-Signature=\/.*%/;
        $differ{"$urls[$at]: " . ($ours ? 'nginx' : 'Django')} = 1 if !!$verdicts[$at]{signer} ne !!$ours && !($storage && $ours);
        # where django-downloadview lets somebody in, nginx does too
        $differ{"$urls[$at]: django-downloadview"} = 1 if $verdicts[$at]{downloadview} && !$ours;
    }
    is(join("\n", sort keys %differ), '', 'signed: nginx and Django agree');
    cmp_ok($agree{1}, '>', 15, 'signed: on good ones');
    cmp_ok($agree{0}, '>', 150, 'signed: and on others');
}

# DOWNLOADVIEW_URL_EXPIRATION, and max_age=1h of the configuration.
sub ages {
    my @ages = (0, 60, 3590, 3610, 86_400, -60, -100_000);
    my @links = map { bytes($_->{storage}) } django(map { { path => 'q3.pdf', key => text($keys[0]), age => $_ } } @ages);
    my @verdicts = django(map { { url => $_, key => text($keys[0]), max_age => 3600 } } @links);
    for my $at (0 .. $#ages) {
        my $r = $site->ask($links[$at]);
        is($r->{status}, $ages[$at] > 3600 ? 403 : 200, "signed: $ages[$at] s old");
        is(!!$verdicts[$at]{downloadview}, $r->{status} == 200, "signed: $ages[$at] s old: Django agrees");
        like($r->{body}, qr/^This link has expired/, "signed: $ages[$at] s old: and it is said why") if $r->{status} == 403;
    }
}

# SECRET_KEY_FALLBACKS: what they have signed is good, in nginx as in Django.
sub rotation {
    my @all = map { text($_) } @keys, 'retired', "$keys[0] ", substr($keys[0], 1), 'another';
    my @links = map { bytes($_->{storage}) } django(map { { path => 'q3.pdf', key => $_ } } @all);
    my @verdicts = django(map { { url => $_, key => $all[0], fallbacks => [@all[1, 2]], max_age => undef } } @links);
    for my $at (0 .. $#all) {
        my $good = $at < @keys;
        is($site->ask($links[$at])->{status}, $good ? 200 : 403, "signed: key $at");
        is(!!$verdicts[$at]{downloadview}, !!$good, "signed: key $at: Django agrees");
    }
}

# Asks t/apps/django-signed.
sub django {
    my $in = File::Temp->new;
    print $in $json->encode(\@_);
    close $in;
    local @ENV{qw(PYTHONDONTWRITEBYTECODE IN)} = (1, "$in");
    my $out = do { open my $f, '-|', 'sh', '-c', 'exec timeout 60 "$@" < "$IN"', 'sh', $python, Apps::app('django-signed') . '/links.py' or die "sh: $!"; local $/; <$f> };
    my $answers = eval { $json->decode($out) } or BAIL_OUT('t/apps/django-signed/links.py says nothing');
    return @$answers;
}

# Perl's bytes as JSON's text, and back.
sub text { my $s = shift; utf8::decode($s); $s }
sub bytes { my $s = shift; utf8::encode($s); $s }
