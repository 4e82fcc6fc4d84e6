//! A model behind the Responses API.

use std::sync::Arc;

use loomd_base::IdSource;
use loomd_events::ModelEvent;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::{Auth, Env, HttpClient, Model, ModelRequest, Provider};

/// A model behind the Responses API over HTTP and SSE. One per provider; it serves
/// any number of threads at once.
pub struct ResponsesModel(Arc<Engine>);

impl ResponsesModel {
    /// Asks `provider` through `http`. `env` gives the values of the headers that the
    /// provider takes from variables.
    #[must_use]
    pub fn new(
        provider: Arc<Provider>,
        http: HttpClient,
        auth: Arc<dyn Auth>,
        env: Env,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self(Arc::new(Engine {
            provider,
            transport: Arc::new(http),
            auth,
            env,
            ids,
            memory: Default::default(),
        }))
    }
}

impl Model for ResponsesModel {
    fn stream(
        &self,
        request: ModelRequest,
        cancel: CancellationToken,
    ) -> mpsc::Receiver<ModelEvent> {
        self.0.stream(request, cancel)
    }
}
