//! Health, as gRPC's health checking protocol has it: to `Watch`, a service that is not known is a status like others.

use std::pin::Pin;
use tokio::sync::watch;
use tokio_stream::{self as stream, Stream, StreamExt};
use tonic::{Code, Request, Response, Status};
use tonic_health::{
    pb::{
        HealthCheckRequest, HealthCheckResponse,
        health_check_response::ServingStatus,
        health_server::{Health, HealthServer},
    },
    server::{HealthReporter, HealthService},
};

pub struct Healths {
    known: HealthService,
    stopping: watch::Receiver<bool>,
}

impl Healths {
    pub fn server(reporter: HealthReporter, stopping: watch::Receiver<bool>) -> HealthServer<Self> {
        HealthServer::new(Self { known: HealthService::from_health_reporter(reporter), stopping })
    }
}

type Statuses = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Health for Healths {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        self.known.check(request).await
    }

    type WatchStream = Statuses;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Statuses>, Status> {
        match self.known.watch(request).await {
            Ok(statuses) => Ok(statuses.map(|statuses| Box::pin(statuses) as Statuses)),
            Err(status) if status.code() == Code::NotFound => {
                // No service comes while the server runs, so nothing follows but its end.
                let unknown = HealthCheckResponse { status: ServingStatus::ServiceUnknown.into() };
                let ends = stream::wrappers::WatchStream::new(self.stopping.clone()).take_while(|stops| !stops);
                let statuses = stream::once(Ok(unknown)).chain(ends.filter_map(|_| None));
                Ok(Response::new(Box::pin(statuses)))
            }
            Err(status) => Err(status),
        }
    }
}
