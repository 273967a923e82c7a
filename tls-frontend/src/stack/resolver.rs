//! The DNS client.

use super::network::Shared;
use smoltcp::{
    socket::dns::{self, GetQueryResultError, QueryHandle, StartQueryError},
    wire::DnsQueryType,
};
use std::{future::poll_fn, io, net::IpAddr, sync::Arc, task::Poll};

/// Questions at once.
const MOST_QUERIES: usize = 16;

pub(super) async fn resolve(shared: &Arc<Shared>, name: &str) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    // Both are asked at once.
    let ipv4 = Query::start(shared, name, DnsQueryType::A)?;
    let ipv6 = Query::start(shared, name, DnsQueryType::Aaaa)?;
    let mut addresses = ipv4.answer().await;
    addresses.extend(ipv6.answer().await);
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("no address of {name} was found")));
    }
    Ok(addresses)
}

/// A question under way; dropped, it is given up.
struct Query {
    shared: Arc<Shared>,
    /// Until it has been answered: then smoltcp has freed it.
    handle: Option<QueryHandle>,
}

impl Query {
    fn start(shared: &Arc<Shared>, name: &str, kind: DnsQueryType) -> io::Result<Self> {
        let mut core = shared.core();
        let core = &mut *core;
        if !core.has_name_servers {
            return Err(io::Error::new(io::ErrorKind::NetworkUnreachable, "no name server is known"));
        }
        if core.queries >= MOST_QUERIES {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let dns = core.sockets.get_mut::<dns::Socket>(core.dns);
        let handle = dns.start_query(core.interface.context(), name, kind).map_err(|error| match error {
            StartQueryError::NoFreeSlot => io::Error::from(io::ErrorKind::QuotaExceeded),
            StartQueryError::InvalidName | StartQueryError::NameTooLong => {
                io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is not a host name"))
            }
        })?;
        core.queries += 1;
        Ok(Self { shared: shared.clone(), handle: Some(handle) })
    }

    /// The addresses found; none when there are none or no server answers.
    async fn answer(mut self) -> Vec<IpAddr> {
        poll_fn(move |context| {
            let Some(handle) = self.handle else { return Poll::Ready(Vec::new()) };
            let mut core = self.shared.core();
            let core = &mut *core;
            let dns = core.sockets.get_mut::<dns::Socket>(core.dns);
            let answer = match dns.get_query_result(handle) {
                Err(GetQueryResultError::Pending) => {
                    dns.register_query_waker(handle, context.waker());
                    return Poll::Pending;
                }
                Ok(addresses) => addresses.into_iter().map(IpAddr::from).collect(),
                Err(GetQueryResultError::Failed) => Vec::new(),
            };
            core.queries -= 1;
            self.handle = None;
            Poll::Ready(answer)
        })
        .await
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        if let Some(handle) = self.handle {
            let mut core = self.shared.core();
            let core = &mut *core;
            core.sockets.get_mut::<dns::Socket>(core.dns).cancel_query(handle);
            core.queries -= 1;
        }
    }
}
