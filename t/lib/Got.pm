package Got;

# What a response must be: checks that tests by Wire have in common. The location /ready of the
# test says "ready".

use strict;
use warnings;
use Exporter 'import';
use Test::More;
use Wire;

our @EXPORT = qw(field got alive log_has);
our @EXPORT_OK = qw(no_descriptor_more);

# The values of a header field, one after the other.
sub field {
    my ($r, $name) = @_;
    return join ' | ', map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $r->{headers} };
}

# Status, body (text or pattern) and fields ("Name: value", or "! Name" for none).
sub got {
    my ($what, $r, $status, $body, @fields) = @_;
    is($r->{status}, $status, "$what: status");
    if (ref $body) { like($r->{body}, $body, "$what: body") }
    elsif (defined $body) {
        ok($r->{whole} && $r->{body} eq $body, "$what: body") or diag(sprintf '%s %.200s', $r->{whole} ? 'whole' : 'broken off', $r->{body});
    }
    for (@fields) {
        if (/^! (\S+)$/) { is(field($r, $1), '', "$what: no $1") }
        elsif (/^([^:]+): (.*)$/) { is(field($r, $1), $2, "$what: $1") }
    }
    my @leaked = grep { /^(X-Accel-|X-Sendfile|X-LIGHTTPD-send-file)/i } map { $_->[0] } @{ $r->{headers} };
    is("@leaked", '', "$what: nothing that was meant for the server");
    return $r;
}

sub alive {
    my $r = fetch('/ready');
    is($r->{body}, 'ready', "@_: the worker is alive");
}

# Is the number of the workers' descriptors what it was? Ends of connections take their time, a
# lingering close 5 seconds.
sub no_descriptor_more {
    my ($before, $what) = @_;
    wait_for { descriptors() <= $before } 15;
    cmp_ok(descriptors(), '<=', $before, "$what: no descriptor more");
}

sub log_has {
    my ($pattern, $what) = @_;
    like(slurp(servroot() . '/logs/error.log'), $pattern, $what);
}

1;
