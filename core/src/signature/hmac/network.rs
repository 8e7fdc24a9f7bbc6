//! Owns IP networks: an address, or a prefix in CIDR notation (RFC 4632, RFC 4291). Must not know
//! whose addresses they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::signature::number;

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    /// How many of its bits count.
    bits: u32,
}

impl Network {
    /// Takes `192.0.2.7`, `192.0.2.0/24`, `2001:db8::7`, `2001:db8::/32`; bits after the prefix do
    /// not count. IPv6 that stands for IPv4 (`::ffff:192.0.2.7`) is IPv4.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (address, bits) = match str::from_utf8(text).ok()?.split_once('/') {
            Some((address, bits)) => (address, Some(number(bits.as_bytes())?)),
            None => (str::from_utf8(text).ok()?, None),
        };
        let written: IpAddr = address.parse().ok()?;
        let address = written.to_canonical();
        let cut = width(written).checked_sub(width(address))?;
        let bits = match bits {
            Some(bits) => u32::try_from(bits).ok()?.checked_sub(cut)?,
            None => width(address),
        };
        (bits <= width(address)).then_some(Self { address, bits })
    }

    /// Is `address` one of them? As IPv4 where it stands for IPv4.
    pub(super) fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                let differing = ours.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= self.bits
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                let differing = ours.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => Ipv4Addr::BITS,
        IpAddr::V6(_) => Ipv6Addr::BITS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contained() {
        for (network, inside, outside) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.7/24", "192.0.2.255", "192.0.3.7"),
            ("192.0.2.0/25", "192.0.2.127", "192.0.2.128"),
            ("128.0.0.0/1", "255.255.255.255", "127.255.255.255"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("2001:db8::7", "2001:db8::7", "2001:db8::8"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("2001:db8::7/127", "2001:db8::6", "2001:db8::8"),
            ("::/0", "2001:db8::1", "192.0.2.7"),
            ("192.0.2.0/24", "::ffff:192.0.2.7", "::192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.9"),
            ("::ffff:0:0/96", "192.0.2.9", "2001:db8::1"),
            ("::ffff:c000:207", "::ffff:192.0.2.7", "::ffff:192.0.2.8"),
        ] {
            let parsed = Network::parse(network.as_bytes()).unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{inside} in {network}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{outside} in {network}");
        }
    }

    #[test]
    fn refused() {
        for bad in [
            "",
            "/",
            "/24",
            "192.0.2.7/",
            "192.0.2.7/33",
            "192.0.2.7/024",
            "192.0.2.7/+24",
            "192.0.2.7/-1",
            "192.0.2.7/24/24",
            "192.0.2.7/255.255.255.0",
            "192.0.2",
            "192.0.2.007",
            "192.0.2.256",
            "0xc0000207",
            " 192.0.2.7",
            "192.0.2.7,192.0.2.8",
            "::1/129",
            "::1/4294967296",
            "::ffff:192.0.2.7/95",
            "::ffff:192.0.2.7/24",
            "[::1]",
            "fe80::1%eth0",
            "localhost",
        ] {
            assert_eq!(Network::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Network::parse(b"\xff"), None);
    }
}
