//! Which congestion control the connections have that a node accepts; over these it sends the bytes of objects.

use rustix::net::sockopt;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::OnceLock;

/// Needs no timers: what is sent goes out as acknowledgements come in.
const PLAIN: &str = "cubic";
/// Begins the names of those that pace each connection with timers of this machine. For links with loss and long delay they are the better ones;
/// within a data centre they cost a quarter of the processor time that a transfer takes.
const PACED: &str = "bbr";

/// The system's choice, once it was not followed.
static REPLACED: OnceLock<String> = OnceLock::new();

/// What connects here is not paced, whatever the system's choice for all connections is. It is decided before there is a connection: pacing that
/// has begun does not end. Where the system does not offer or allow another congestion control, nothing changes.
pub(crate) fn avoid_pacing(listener: &TcpListener) {
    let Ok(name) = sockopt::tcp_congestion(listener) else { return };
    if name.starts_with(PACED) && sockopt::set_tcp_congestion(listener, PLAIN).is_ok() {
        REPLACED.get_or_init(|| name);
    }
}

/// A connection from outside of a private network gets what the system chose.
pub(crate) fn restore_for_public(accepted: &TcpStream, peer: IpAddr) {
    if let Some(name) = REPLACED.get().filter(|_| !is_private(peer)) {
        let _ = sockopt::set_tcp_congestion(accepted, name);
    }
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            // 100.64.0.0/10 is what providers use inside of their networks.
            let is_shared = first == 100 && second & 0xc0 == 0x40;
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || is_shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn who_connects_from_a_private_network_is_not_paced() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let before = sockopt::tcp_congestion(&listener).expect("a name");
        // Not every system offers it, and not to every user.
        let other = TcpListener::bind("127.0.0.1:0").expect("a port");
        let is_offered = sockopt::set_tcp_congestion(&other, PLAIN).is_ok();
        avoid_pacing(&listener);
        let _dialling = TcpStream::connect(listener.local_addr().expect("bound")).expect("a connection");
        let (accepted, peer) = listener.accept().expect("accepted");
        restore_for_public(&accepted, peer.ip());
        let is_replaced = before.starts_with(PACED) && is_offered;
        let expected = if is_replaced { PLAIN.to_owned() } else { before.clone() };
        assert_eq!(sockopt::tcp_congestion(&accepted).expect("a name"), expected);
        restore_for_public(&accepted, IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)));
        assert_eq!(sockopt::tcp_congestion(&accepted).expect("a name"), before);
    }

    #[test]
    fn private_addresses_are_known() {
        let v4 = |a, b, c, d| IpAddr::V4(Ipv4Addr::new(a, b, c, d));
        for near in [v4(10, 1, 2, 3), v4(172, 16, 0, 1), v4(192, 168, 1, 1), v4(127, 0, 0, 1), v4(100, 127, 0, 1)] {
            assert!(is_private(near), "{near}");
        }
        for far in [v4(8, 8, 8, 8), v4(172, 32, 0, 1), v4(100, 128, 0, 1), v4(100, 63, 0, 1)] {
            assert!(!is_private(far), "{far}");
        }
        let v6 = |text: &str| IpAddr::V6(text.parse::<Ipv6Addr>().expect("an address"));
        assert!(is_private(v6("fd00::1")) && is_private(v6("fe80::1")) && is_private(v6("::1")));
        assert!(is_private(v6("::ffff:10.0.0.1")) && !is_private(v6("::ffff:8.8.8.8")) && !is_private(v6("2600::1")));
    }
}
