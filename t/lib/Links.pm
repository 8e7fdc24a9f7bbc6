package Links;

# Signed links, made by Perl's own modules as docs/signing.md says, and by nothing of the code
# under test.

use strict;
use warnings;
use Digest::MD5 qw(md5);
use Digest::SHA qw(hmac_sha256 sha256);
use Exporter 'import';
use MIME::Base64 qw(encode_base64 decode_base64);

our @EXPORT = qw(hmac_link prefix_link django_link secure_link base64url from_base64url escaped flips text_flips);

# Path as it stands in the URL, query without the signature.
sub hmac_link {
    my ($key, $path, $query, $arg) = @_;
    return "$path?$query&" . ($arg // 'signature') . '=' . base64url(hmac_sha256("$path?$query", $key));
}

# For a path below a prefix, which is signed as it stands in the query.
sub prefix_link {
    my ($key, $prefix, $path, $query) = @_;
    $query .= "&prefix=$prefix";
    return "$path?$query&signature=" . base64url(hmac_sha256("$prefix?$query", $key));
}

# As SignedFileSystemStorage.url() of django-downloadview, for a URL's path.
sub django_link {
    my ($key, $path, $made, $arg) = @_;
    return "$path?" . ($arg // 'X-Signature') . '=' . django_signature($key, "$path:" . base62($made // time));
}

# What TimestampSigner makes of what is signed, time included.
sub django_signature {
    my ($key, $message) = @_;
    return "$message:" . base64url(hmac_sha256($message, sha256("django.core.signing.TimestampSignersigner$key")));
}

sub base62 {
    my $number = shift;
    my $text = '';
    do { $text = (0 .. 9, 'A' .. 'Z', 'a' .. 'z')[$number % 62] . $text; $number = int($number / 62) } while $number;
    return $text;
}

# $value is what nginx makes of the expression.
sub secure_link {
    my ($key, $path, $expires, $value) = @_;
    return "$path?md5=" . base64url(md5(($value // "$expires$path ") . $key)) . "&expires=$expires";
}

sub base64url { encode_base64(shift, '') =~ tr{+/=}{-_}dr }
sub from_base64url { decode_base64(shift() =~ tr{-_}{+/}r) }
sub escaped { $_[0] =~ s{([^A-Za-z0-9._~/-])}{sprintf '%%%02X', ord $1}egr }

# All codes that differ from one in base64url in a single bit.
sub flips {
    my $code = from_base64url(shift);
    return map { my $bits = $code; vec($bits, $_, 1) ^= 1; base64url($bits) } 0 .. 8 * length($code) - 1;
}

# All texts that differ from one in a single bit and can stand in a URL.
sub text_flips {
    my $text = shift;
    my @texts = map { my $bits = $text; vec($bits, $_, 1) ^= 1; $bits } 0 .. 8 * length($text) - 1;
    return grep { !/[\x00-\x20\x7f#]/ } @texts;
}

1;
