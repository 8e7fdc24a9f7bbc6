#!/usr/bin/perl
# A FastCGI app that grants: download.fcgi SOCKET. The file is the last part of the URI;
# who asks for "denied" is denied.
use strict;
use warnings;
use FCGI;

my $socket  = FCGI::OpenSocket($ARGV[0], 64);
my $request = FCGI::Request(\*STDIN, \*STDOUT, \*STDERR, \my %env, $socket);
while ($request->Accept >= 0) {
    my ($name) = $env{REQUEST_URI} =~ m{([^/?]*)(?:\?|$)};
    if ($name eq 'denied') {
        print "Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nno";
        next;
    }
    print "Content-Type: application/vnd.nginx-download.grant+json\r\nSet-Cookie: app=fcgi\r\n\r\n",
        qq({"file":{"storage":"files","path":"$name"},"basename":"by-fcgi.txt"});
}
