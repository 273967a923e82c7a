//! The service behind the HTTP server, with one log line a request.

use http::{Request, Response};
use kalends_caldav::Service;
use kalends_tls_frontend::{Handler, RequestBody, ResponseBody};
use std::{net::SocketAddr, rc::Rc, time::Instant};

/// Hands requests to the service.
pub struct ServiceHandler(pub Rc<Service>);

impl Handler for ServiceHandler {
    async fn handle(&self, request: Request<RequestBody>) -> Response<ResponseBody> {
        if !log::log_enabled!(log::Level::Info) {
            return self.0.handle(request).await;
        }
        let started = Instant::now();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let peer = request.extensions().get::<SocketAddr>().map_or("-".into(), SocketAddr::to_string);
        let response = self.0.handle(request).await;
        let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
        log::info!("{peer} {method} {uri} {} {milliseconds:.1} ms", response.status().as_u16());
        response
    }
}
