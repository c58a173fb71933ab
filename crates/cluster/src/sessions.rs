//! How much of what other nodes say has arrived: what makes a message arrive once although its connection broke.

use std::collections::BTreeMap;

use trygon_ids::NodeId;

/// How a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// A new session, on the connection of this number. `lapsed`: the one before ended without a farewell, its last messages may be lost.
    Fresh {
        /// The connection.
        connection: u64,
        /// Messages of the last session may be lost.
        lapsed: bool,
    },
    /// The present session goes on behind its `received` first messages.
    Resumed {
        /// The connection.
        connection: u64,
        /// So many messages of the session have come.
        received: u64,
    },
    /// The session is over, or older than the present one.
    Unknown,
}

#[derive(Debug)]
struct Session {
    number: u64,
    received: u64,
    /// The connection that may deliver; an earlier one that still has something is not listened to.
    connection: u64,
    is_connected: bool,
    is_over: bool,
}

/// The present session of every node.
#[derive(Debug, Default)]
pub struct Sessions {
    of_node: BTreeMap<NodeId, Session>,
    connections: u64,
    defects: SessionDefects,
}

/// Planted defects, for the simulator: each breaks one rule. All are off in a program that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionDefects {
    /// CARRY-1: what comes by a connection that was replaced is heard.
    pub any_connection: bool,
    /// CARRY-2: a session that ended without a farewell is not told of when the next begins.
    pub lapse_unsaid: bool,
}

impl Sessions {
    /// With planted defects.
    pub fn with_defects(defects: SessionDefects) -> Self {
        Self { defects, ..Self::default() }
    }

    /// A node opens a stream, and says how much of the session it knows to have arrived.
    pub fn begin(&mut self, node: NodeId, number: u64, acknowledged: u64) -> Begin {
        self.connections += 1;
        let connection = self.connections;
        let mut lapsed = false;
        if let Some(session) = self.of_node.get_mut(&node) {
            if session.number == number {
                if session.is_over || acknowledged > session.received {
                    return Begin::Unknown;
                }
                session.connection = connection;
                session.is_connected = true;
                return Begin::Resumed { connection, received: session.received };
            }
            if session.number > number {
                return Begin::Unknown;
            }
            lapsed = !session.is_over && !self.defects.lapse_unsaid;
        }
        if acknowledged > 0 {
            return Begin::Unknown;
        }
        self.of_node.insert(node, Session { number, received: 0, connection, is_connected: true, is_over: false });
        Begin::Fresh { connection, lapsed }
    }

    /// A message came on this connection. The number of messages so far; none when the connection was replaced.
    pub fn receive(&mut self, node: &NodeId, connection: u64) -> Option<u64> {
        let session = self.current(node, connection)?;
        session.received += 1;
        Some(session.received)
    }

    /// The node said all that it had to say.
    pub fn finish(&mut self, node: &NodeId, connection: u64) {
        if let Some(session) = self.current(node, connection) {
            session.is_over = true;
        }
    }

    /// The connection broke. Whether it was the present one, whose return is now waited for.
    pub fn interrupt(&mut self, node: &NodeId, connection: u64) -> bool {
        self.current(node, connection).is_some_and(|session| std::mem::replace(&mut session.is_connected, false))
    }

    /// The node did not come back in time. Whether that is so.
    pub fn lapse(&mut self, node: &NodeId, connection: u64) -> bool {
        let Some(session) = self.current(node, connection) else { return false };
        let lapsed = !session.is_connected && !session.is_over;
        session.is_over |= lapsed;
        lapsed
    }

    /// Only these nodes are left: numbers of others will not come again.
    pub fn keep(&mut self, is_known: impl Fn(&NodeId) -> bool) {
        self.of_node.retain(|node, session| session.is_connected || is_known(node));
    }

    fn current(&mut self, node: &NodeId, connection: u64) -> Option<&mut Session> {
        let is_any = self.defects.any_connection;
        self.of_node.get_mut(node).filter(|session| (session.connection == connection || is_any) && !session.is_over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId::new([1; 28]);

    fn connection(begin: Begin) -> u64 {
        match begin {
            Begin::Fresh { connection, .. } | Begin::Resumed { connection, .. } => connection,
            Begin::Unknown => panic!("unknown"),
        }
    }

    #[test]
    fn a_session_goes_on_over_a_second_connection_and_the_first_is_not_heard_any_more() {
        let mut sessions = Sessions::default();
        let first = connection(sessions.begin(NODE, 1, 0));
        assert_eq!(sessions.receive(&NODE, first), Some(1));
        assert_eq!(sessions.receive(&NODE, first), Some(2));
        let begun = sessions.begin(NODE, 1, 1);
        let second = connection(begun);
        assert_eq!(begun, Begin::Resumed { connection: second, received: 2 });
        assert_eq!(sessions.receive(&NODE, first), None);
        assert!(!sessions.interrupt(&NODE, first));
        assert_eq!(sessions.receive(&NODE, second), Some(3));
        assert!(sessions.interrupt(&NODE, second));
        assert!(sessions.lapse(&NODE, second));
        assert!(!sessions.lapse(&NODE, second), "once");
        assert_eq!(sessions.begin(NODE, 1, 3), Begin::Unknown);
    }

    #[test]
    fn a_new_session_says_whether_the_last_one_ended_well() {
        let mut sessions = Sessions::default();
        let first = connection(sessions.begin(NODE, 1, 0));
        sessions.finish(&NODE, first);
        let begun = sessions.begin(NODE, 2, 0);
        assert!(matches!(begun, Begin::Fresh { lapsed: false, .. }));
        assert!(matches!(sessions.begin(NODE, 3, 0), Begin::Fresh { lapsed: true, .. }));
        assert_eq!(sessions.begin(NODE, 2, 0), Begin::Unknown, "older than the present one");
        assert_eq!(sessions.begin(NODE, 4, 7), Begin::Unknown, "never heard of its first messages");
    }
}
