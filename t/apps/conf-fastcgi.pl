#!/usr/bin/perl
# The app behind nginx-conf/fastcgi.conf: conf-fastcgi.pl SOCKET
use strict;
use warnings;
use FCGI;

my $socket = FCGI::OpenSocket($ARGV[0], 5);
# workers of another user connect as well
chmod 0777, $ARGV[0];
my %env;
my $request = FCGI::Request(\*STDIN, \*STDOUT, \*STDERR, \%env, $socket);
while ($request->Accept >= 0) {
    my ($uri, $query) = split /\?/, $env{REQUEST_URI}, 2;
    my $same = ($query // '') eq $env{QUERY_STRING};
    if ($uri ne '/documents/7' || !$same) {
        print "Content-Type: text/plain\r\n\r\n$env{REQUEST_METHOD} $env{REQUEST_URI}\n";
    }
    elsif (($env{HTTP_COOKIE} // '') ne 'user=alice') {
        print "Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nnot for you\n";
    }
    elsif ($env{REQUEST_METHOD} eq 'GET') {
        print "Content-Type: application/vnd.nginx-download.grant+json\r\n\r\n",
            '{"file": {"storage": "media", "path": "2026/q3.pdf"}}';
    }
    else {
        print "Status: 500\r\n\r\nasked with $env{REQUEST_METHOD}\n";
    }
}
