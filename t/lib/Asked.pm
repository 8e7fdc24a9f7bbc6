package Asked;

# Questions of users, and who decided: what the tests of remembered decisions have in common. The
# locations under test answer with X-Grant: $download_grant.

use strict;
use warnings;
use Exporter 'import';
use Wire;

our @EXPORT = qw(prepare file_grant get field seen);

# The storages "files", "inner" and "origin" have the same files; says() tells what the app answers.
my $http = <<'END';
download_storage files root=$TEST_NGINX_SERVER_ROOT/html/files;
download_storage inner location=/inner/;
download_storage origin url=http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/files/ via=/_fetch/;
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1; root $TEST_NGINX_SERVER_ROOT/html; access_log off; }
upstream app { server unix:$TEST_NGINX_SERVER_ROOT/html/app.sock; }
END
my $server = <<'END';
location = /ready { return 200 ready; }
location /_ask/ { internal; proxy_pass http://app; }
location /inner/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
location /_fetch/ { internal; proxy_pass $download_url; }
END

# Prepares a block of a test that tells stories. %own is what its configuration has besides: `http`,
# `server`, `files`; and `names`, the variables of the test that stories use. What the block says itself
# comes last.
sub prepare {
    my ($block, %own) = @_;
    my $mistake = defined $block->must_die;
    $block->set_value(http_config => join '', $http, $own{http}, $block->http_config // '');
    $block->set_value(config => join '', $server, $own{server}, $block->config // '');
    $block->set_value(user_files => [@{$own{files}}, @{ $block->user_files // [] }]);
    return $block->set_value(suppress_stderr => '') if $mistake;
    $block->set_value(init => "package main; our ($own{names}); told_app(); " . ($block->story // ''));
    $block->set_value(request => 'GET /ready') unless defined $block->request || defined $block->pipelined_requests;
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n") unless defined $block->no_error_log;
}

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
