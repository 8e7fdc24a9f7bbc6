package Browser;

# A headless Chromium, by the DevTools protocol over a pipe: pages as a person with a browser has
# them. Ends with its object.

use strict;
use warnings;
use Fcntl qw(F_DUPFD);
use File::Temp ();
use IO::Select;
use JSON::PP qw(decode_json encode_json);
use MIME::Base64 qw(decode_base64);
use POSIX ();
use Time::HiRes qw(sleep time);

our $Timeout = 30;

# The command, or undef where there is none.
sub command {
    for my $name (qw(chromium chromium-browser)) {
        for (split /:/, "$ENV{PATH}:/usr/bin") { return "$_/$name" if -x "$_/$name" && -f _ }
    }
    return undef;
}

sub new {
    my $class = shift;
    my $command = command() // die "there is no chromium\n";
    my $profile = File::Temp->newdir;
    pipe my $in, my $to or die "pipe: $!";
    pipe my $from, my $out or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        setpgrp 0, 0;
        # it reads from 3 and writes to 4, each of which the other may have now
        my ($read, $write) = map { fcntl $_, F_DUPFD, 10 } $in, $out;
        POSIX::dup2($read, 3);
        POSIX::dup2($write, 4);
        my $null = POSIX::open('/dev/null', POSIX::O_RDWR());
        POSIX::dup2($null, $_) for 0, 1, 2;
        POSIX::close($_) for $read, $write, grep { $_ > 4 } $null;
        delete @ENV{grep { /_proxy$/i } keys %ENV};
        exec 'setpriv', '--pdeathsig', 'KILL', '--', $command, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
            '--no-first-run', '--remote-debugging-pipe', "--user-data-dir=$profile", 'about:blank'
            or POSIX::_exit(127);
    }
    close $in;
    close $out;
    my $self = bless { pid => $pid, owner => $$, profile => $profile, to => $to, from => $from, rest => '', id => 0, said => [] }, $class;
    my $target = $self->ask('Target.createTarget', url => 'about:blank')->{targetId};
    $self->{session} = $self->ask('Target.attachToTarget', targetId => $target, flatten => \1)->{sessionId};
    $self->ask("$_.enable") for qw(Page Runtime Log Network);
    return $self;
}

# Asks for something and waits for the answer; what happens meanwhile is kept for said().
sub ask {
    my ($self, $method, %of) = @_;
    my $id = ++$self->{id};
    my $message = { id => $id, method => $method, params => \%of, $self->{session} ? (sessionId => $self->{session}) : () };
    local $SIG{PIPE} = 'IGNORE';
    syswrite $self->{to}, encode_json($message) . "\0" or die "chromium is gone: $!";
    my $end = time + $Timeout;
    while (1) {
        my $said = $self->hear($end) // die "$method: chromium does not answer\n";
        if (($said->{id} // 0) == $id) {
            die "$method: $said->{error}{message}\n" if $said->{error};
            return $said->{result};
        }
        push @{ $self->{said} }, $said;
    }
}

sub hear {
    my ($self, $end) = @_;
    while (1) {
        return decode_json($1) if $self->{rest} =~ s/^(.*?)\0//s;
        my $left = $end - time;
        return undef unless $left > 0 && IO::Select->new($self->{from})->can_read($left);
        sysread $self->{from}, $self->{rest}, 65536, length $self->{rest} or return undef;
    }
}

sub open {
    my ($self, $url) = @_;
    $self->{said} = [];
    $self->ask('Page.navigate', url => $url);
    $self->wait_for('document.readyState === "complete"');
}

# The value of an expression, in the page.
sub value {
    my ($self, $expression) = @_;
    my $result = $self->ask('Runtime.evaluate', expression => $expression, awaitPromise => \1, returnByValue => \1);
    die "$expression: $result->{exceptionDetails}{exception}{description}\n" if $result->{exceptionDetails};
    return $result->{result}{value};
}

# Does it come true, in so many seconds?
sub wait_for {
    my ($self, $expression, $seconds) = @_;
    my $end = time + ($seconds // $Timeout);
    while (1) {
        return 1 if $self->value("!!($expression)");
        return 0 if time > $end;
        sleep 0.05;
    }
}

sub click { my ($self, $selector) = @_; $self->value("document.querySelector('$selector').click()") }

# As a device of that width has it, and a person who likes that scheme of colours.
sub device {
    my ($self, $width, $height, $scheme) = @_;
    $self->ask('Emulation.setDeviceMetricsOverride', width => $width, height => $height, deviceScaleFactor => 1, mobile => $width < 600 ? \1 : \0);
    $self->ask('Emulation.setEmulatedMedia', features => [{ name => 'prefers-color-scheme', value => $scheme }]);
}

sub screenshot {
    my $self = shift;
    return decode_base64($self->ask('Page.captureScreenshot', format => 'png')->{data});
}

# What a person would find in the console, of errors and warnings, since the page was opened.
sub complaints {
    my $self = shift;
    $self->value('1');
    return map {
        my $of = $_->{params};
        $_->{method} eq 'Runtime.exceptionThrown' ? $of->{exceptionDetails}{exception}{description} // $of->{exceptionDetails}{text}
            : $_->{method} eq 'Runtime.consoleAPICalled' && $of->{type} =~ /error|warning|assert/ ? "console: $of->{args}[0]{value}"
            : $_->{method} eq 'Log.entryAdded' && $of->{entry}{level} =~ /error|warning/ ? "$of->{entry}{source}: $of->{entry}{text}"
            : ();
    } @{ $self->{said} };
}

# The URLs that it asked for since.
sub requests {
    my $self = shift;
    $self->value('1');
    return map { $_->{params}{request}{url} } grep { $_->{method} eq 'Network.requestWillBeSent' } @{ $self->{said} };
}

sub DESTROY {
    my $self = shift;
    return unless $self->{pid} && $self->{owner} == $$;
    local ($?, $!, $@);
    close $self->{to};
    kill 'KILL', -$self->{pid};
    waitpid $self->{pid}, 0;
}

1;
