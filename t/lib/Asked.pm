package Asked;

# Questions of users, and who decided: what the tests of remembered decisions have in common. The
# locations under test answer with X-Grant: $download_grant.

use strict;
use warnings;
use Exporter 'import';
use Wire;

our @EXPORT = qw(file_grant get field seen);

# A grant for a file of the storage "files"; more of it as JSON.
sub file_grant {
    my ($name, $more, @lines) = @_;
    return grant(qq({"file":{"storage":"files","path":"$name"}) . ($more ? ",$more" : '') . '}', @lines);
}

# What /NAME gets a user.
sub get {
    my ($name, $user, @lines) = @_;
    my $method = $name =~ s/^([A-Z]+ )// ? $1 : '';
    return fetch("$method/$name", 'Cookie: user=' . ($user // 'ann'), @lines);
}

# The values of a header field.
sub field { my ($r, $name) = @_; return join ', ', map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $r->{headers} } }

# In one word or two: status, and who decided.
sub seen { my $r = shift; return "$r->{status} " . field($r, 'X-Grant') }

1;
