//! Maintenance of the store, beside the service.

use futures_util::future::{Either, pending, select};
use kalends_store::Store;
use std::pin::pin;

/// Runs the service to its end, and beside it whatever the store has to do: it compacts itself.
pub async fn maintained<T>(store: &Store, service: impl Future<Output = T>) -> T {
    let maintenance = async {
        let error = store.maintain().await;
        log::error!("the device has failed, and takes no more changes: {error}");
        pending().await
    };
    match select(pin!(service), pin!(maintenance)).await {
        Either::Left((output, _)) => output,
        Either::Right((never, _)) => never,
    }
}
