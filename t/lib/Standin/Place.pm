package Standin::Place;

# Where one test process lives: ports nobody else has, and a folder of its own.
# Knows nothing of nginx.

use strict;
use warnings;
use Fcntl qw(:flock);
use File::Path qw(remove_tree);
use File::Spec ();
use File::Temp ();
use IO::Socket::INET;

my (%held, $folder);

# A free port of 127.0.0.1, locked against every other test process of this user
# until this one ends, and so never given out twice.
sub free_port {
    my ($low, $high) = port_range();
    my $dir = lock_dir();
    for (1 .. 2000) {
        my $port = $low + int rand($high - $low);
        next if $held{$port};
        my $lock = lock_file("$dir/$port") or next;
        # without ReuseAddr: a port in TIME_WAIT is not free either
        my $free = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1);
        if (!$free) { unlink "$dir/$port"; next }
        $held{$port} = { file => "$dir/$port", lock => $lock };
        return $port;
    }
    return undef;
}

# Below the ports that the kernel gives to outgoing connections, which take no locks.
sub port_range {
    my ($low, $high) = (10_000, 32_768);
    if (open my $f, '<', '/proc/sys/net/ipv4/ip_local_port_range') {
        my ($first) = (<$f> // '') =~ /^(\d+)/;
        $high = $first if $first && $first > $low + 5_000;
    }
    return ($low, $high);
}

# Not under TMPDIR: that may differ between test processes, and their locks have to meet.
sub lock_dir {
    my $dir = (-d '/tmp' && -w _ ? '/tmp' : File::Spec->tmpdir) . "/test-nginx-ports-$<";
    mkdir $dir, 0700;
    my @s = lstat $dir;
    -d _ && $s[4] == $< or die "$dir is not a folder of mine\n";
    return $dir;
}

sub lock_file {
    my $path = shift;
    open my $f, '>', $path or return undef;
    flock $f, LOCK_EX | LOCK_NB or return undef;
    # its last owner may have removed it between open and flock: then this lock guards nothing
    my ($mine, $there) = ((stat $f)[1], (stat $path)[1]);
    return defined $there && $mine == $there ? $f : undef;
}

# A new folder under TMPDIR. Workers of another user have to pass through it.
sub folder {
    $folder = File::Temp::tempdir('test-nginx-XXXXXXXX', TMPDIR => 1);
    chmod 0755, $folder;
    return $folder;
}

# At the end of the process that called folder() and free_port(). With $keep the
# folder stays; its path is returned.
sub leave {
    my $keep = shift;
    unlink $_->{file} for values %held;
    %held = ();
    return undef unless defined $folder && -d $folder;
    return $folder if $keep;
    remove_tree($folder);
    return undef;
}

1;
