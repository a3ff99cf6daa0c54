//! How many files and connections the system lets this process have open.

/// Connections and files of the store, and whatever else is open beside the connections of clients.
#[cfg(target_os = "linux")]
const OTHERS: u64 = 256;

/// Asks the system for as many as so many connections need. What a process may have at first is little, for the sake of programs
/// of the seventies; what it may ask for is the operator's to set, who is told when it is too little.
pub(crate) fn allow(connections: usize) {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHERS);
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if current.is_none_or(|current| needed <= current) {
            return;
        }
        let wanted = maximum.map_or(needed, |maximum| needed.min(maximum));
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
        if raised.is_err() || wanted < needed {
            tracing::warn!(
                needed,
                allowed = if raised.is_err() { current } else { Some(wanted) },
                "the system allows fewer open files than there may be connections; raise them (ulimit -n, LimitNOFILE) or \
                 lower connections_max"
            );
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = connections;
}
