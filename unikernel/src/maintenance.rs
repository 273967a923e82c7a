//! Maintenance of the store, beside the service.

use crate::retention::retention;
use futures_util::future::{Either, pending, select};
use kalends_caldav::Service;
use kalends_store::Store;
use kalends_tls_frontend::Network;
use std::pin::pin;

/// Runs `serving` to its end, and beside it whatever the store has to do: it compacts itself, and once a day
/// gives back the history that is older than the realm has it kept.
pub async fn maintained<T>(
    store: &Store,
    service: &Service,
    network: &impl Network,
    serving: impl Future<Output = T>,
) -> T {
    let compaction = async {
        let error = store.maintain().await;
        log::error!("the device has failed, and takes no more changes: {error}");
        pending().await
    };
    let retention = async {
        retention(store, service, network).await;
        pending().await
    };
    match select(pin!(serving), select(pin!(compaction), pin!(retention))).await {
        Either::Left((output, _)) => output,
        Either::Right((never, _)) => never.factor_first().0,
    }
}
