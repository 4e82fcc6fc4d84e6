//! Method name → handler, and the lane each handler runs in.
//!
//! The lane is in the constructor a route is made with:
//! - [`on_connection`]: runs in order on the connection, must not wait;
//! - [`on_thread`]: prepares in order on the connection, then goes to the mailbox of
//!   the thread it names, which orders it against everything else of that thread;
//! - [`on_read`]: runs aside, must not depend on order.
//!
//! Raw parameters become the method's one params type here and nowhere else.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use loomd_base::ThreadId;
use loomd_protocol::{
    Method, MethodSpec, Stability, State, experimental_field_used, lookup, parse_params,
    unknown_method,
};
use loomd_rpc::{RequestId, encode_error, encode_response};
use loomd_thread::{Command, Reply};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Server;
use crate::api::vendor;
use crate::errors::{ApiError, ApiResult};
use crate::host::Responder;
use crate::peer::Peer;

/// What a handler works with.
#[derive(Clone)]
pub(crate) struct Cx {
    pub(crate) server: Arc<Server>,
    pub(crate) peer: Arc<Peer>,
}

/// A request on its way to its handler.
pub(crate) struct Call {
    pub(crate) cx: Cx,
    pub(crate) id: RequestId,
    pub(crate) params: Option<Box<RawValue>>,
}

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How a request goes on after it was dispatched.
pub(crate) enum Dispatched {
    /// It is done, or it is where its order is kept.
    Done,
    /// The connection waits for this before it takes the next request.
    InOrder(BoxFuture),
    /// It goes on aside.
    Aside(BoxFuture),
}

/// One row of the routing table.
pub(crate) struct Route {
    pub(crate) spec: &'static MethodSpec,
    run: Box<dyn Fn(Call) -> Dispatched + Send + Sync>,
}

/// A command for a thread, and how its reply becomes the method's response.
pub(crate) struct ThreadCall<M: Method> {
    pub(crate) thread: ThreadId,
    pub(crate) command: Command,
    pub(crate) shape: Box<dyn FnOnce(Reply) -> ApiResult<M::Response> + Send>,
}

impl Call {
    fn answer<M: Method>(self, result: ApiResult<M::Response>) {
        answer::<M>(&self.cx.peer, &self.id, result);
    }

    /// Parameters first, then the handshake, then the experimental gate: the order in
    /// which the reference finds fault.
    fn admit<M: Method>(&self) -> ApiResult<M::Params> {
        let params = parse_params::<M>(self.params.as_deref()).map_err(ApiError::invalid)?;
        self.pass(M::SPEC)?;
        Ok(params)
    }

    /// The handshake, then the experimental gate.
    fn pass(&self, spec: &'static MethodSpec) -> ApiResult<()> {
        let client = self
            .cx
            .peer
            .client()
            .ok_or_else(|| ApiError::invalid("Not initialized"))?;
        if client.experimental {
            return Ok(());
        }
        gate(spec, self.params.as_deref())
    }
}

fn gate(spec: &'static MethodSpec, params: Option<&RawValue>) -> ApiResult<()> {
    let denied = |what: &str| {
        Err(ApiError::invalid(format!(
            "{what} requires experimentalApi capability"
        )))
    };
    if spec.stability == Stability::Experimental {
        return denied(spec.name);
    }
    match experimental_field_used(spec, params) {
        Some(field) if field.starts_with("askForApproval.") => denied(field),
        Some(field) => denied(&format!("{}.{field}", spec.name)),
        None => Ok(()),
    }
}

fn answer<M: Method>(peer: &Peer, id: &RequestId, result: ApiResult<M::Response>) {
    let message = match result {
        Ok(response) => encode_response(id, &response),
        Err(error) => encode_error(id, &error.into_rpc()),
    };
    peer.send(message);
}

/// A route whose requests are admitted, or refused here; `go` has the rest.
fn admitted<M: Method + 'static>(
    go: impl Fn(Call, M::Params) -> Dispatched + Send + Sync + 'static,
) -> Route {
    Route {
        spec: M::SPEC,
        run: Box::new(move |call| match call.admit::<M>() {
            Ok(params) => go(call, params),
            Err(error) => {
                call.answer::<M>(Err(error));
                Dispatched::Done
            }
        }),
    }
}

/// A handler that runs in order on the connection and does not wait.
pub(crate) fn on_connection<M>(handler: fn(&Cx, M::Params) -> ApiResult<M::Response>) -> Route
where
    M: Method + 'static,
    M::Params: 'static,
    M::Response: 'static,
{
    admitted::<M>(move |call, params| {
        let result = handler(&call.cx, params);
        call.answer::<M>(result);
        Dispatched::Done
    })
}

/// A handler that runs aside, several at a time.
pub(crate) fn on_read<M, F>(handler: fn(Cx, M::Params) -> F) -> Route
where
    M: Method + 'static,
    M::Params: Send + 'static,
    F: Future<Output = ApiResult<M::Response>> + Send + 'static,
{
    admitted::<M>(move |call, params| {
        let future = handler(call.cx.clone(), params);
        Dispatched::Aside(Box::pin(async move {
            let result = future.await;
            call.answer::<M>(result);
        }))
    })
}

/// A handler that makes a command for one thread.
pub(crate) fn on_thread<M, F>(handler: fn(Cx, M::Params) -> F) -> Route
where
    M: Method + 'static,
    M::Params: Send + 'static,
    M::Response: 'static,
    F: Future<Output = ApiResult<ThreadCall<M>>> + Send + 'static,
{
    admitted::<M>(move |call, params| {
        let future = handler(call.cx.clone(), params);
        Dispatched::InOrder(Box::pin(async move {
            match future.await {
                Err(error) => call.answer::<M>(Err(error)),
                Ok(thread_call) => deliver(call, thread_call).await,
            }
        }))
    })
}

/// Puts a command into its thread's mailbox; the thread's actor answers it.
async fn deliver<M: Method + 'static>(call: Call, thread_call: ThreadCall<M>)
where
    M::Response: 'static,
{
    let ThreadCall {
        thread,
        command,
        shape,
    } = thread_call;
    let server = call.cx.server.clone();
    let responder = Responder::new(move |result| {
        call.answer::<M>(result.and_then(shape));
    });
    server.registry.send(thread, command, responder).await;
}

/// The one handler that runs before the handshake.
pub(crate) fn before_handshake<M: Method + 'static>(
    handler: fn(&Cx, M::Params, Answer<M>),
) -> Route {
    Route {
        spec: M::SPEC,
        run: Box::new(move |call| {
            match parse_params::<M>(call.params.as_deref()) {
                Err(error) => call.answer::<M>(Err(ApiError::invalid(error))),
                Ok(params) => {
                    let cx = call.cx.clone();
                    handler(&cx, params, Answer::of(call));
                }
            }
            Dispatched::Done
        }),
    }
}

/// A handler that wants the call itself: it answers by other ways.
pub(crate) fn raw<M, F>(handler: fn(Cx, M::Params, Answer<M>) -> F) -> Route
where
    M: Method + 'static,
    M::Params: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    admitted::<M>(move |call, params| {
        let cx = call.cx.clone();
        Dispatched::InOrder(Box::pin(handler(cx, params, Answer::of(call))))
    })
}

/// The right to answer one request, once.
pub(crate) struct Answer<M: Method> {
    peer: Arc<Peer>,
    id: RequestId,
    method: std::marker::PhantomData<fn() -> M>,
}

impl<M: Method> Answer<M> {
    fn of(call: Call) -> Self {
        Self {
            peer: call.cx.peer,
            id: call.id,
            method: std::marker::PhantomData,
        }
    }

    pub(crate) fn send(self, result: ApiResult<M::Response>) {
        answer::<M>(&self.peer, &self.id, result);
    }
}

/// The routing table.
pub(crate) struct Router {
    routes: BTreeMap<&'static str, Route>,
}

impl Router {
    /// All routes of all areas. A method that is routed twice is a mistake that a
    /// test finds; here the later one wins.
    pub(crate) fn new(routes: Vec<Route>) -> Self {
        Self {
            routes: routes
                .into_iter()
                .map(|route| (route.spec.name, route))
                .collect(),
        }
    }

    pub(crate) fn dispatch(&self, method: &str, call: Call) -> Dispatched {
        if let Some(route) = self.routes.get(method) {
            return (route.run)(call);
        }
        let known = lookup(method).filter(|spec| spec.stability != Stability::Removed0131);
        let result = match known {
            Some(spec) => unbuilt(spec, &call),
            None => Err(ApiError::invalid(unknown_method(method))),
        };
        let message = match result {
            Ok(result) => encode_response(&call.id, &result),
            Err(error) => encode_error(&call.id, &error.into_rpc()),
        };
        call.cx.peer.send(message);
        Dispatched::Done
    }
}

/// The answer of a method that exists but has no handler. Faults are found in the
/// same order as in [`Call::admit`].
fn unbuilt(spec: &'static MethodSpec, call: &Call) -> ApiResult<Value> {
    let row = vendor::find(spec.name);
    let params = vendor::params(spec, row, call.params.as_deref())?;
    call.pass(spec)?;
    match (row, spec.state) {
        (Some(row), _) => (row.answer)(&call.cx, &params),
        (None, State::VendorOnly) => Err(ApiError::invalid(format!(
            "{} needs the vendor's own service, which loomd does not use",
            spec.name
        ))),
        (None, State::Implemented | State::NotYet) => Err(ApiError::not_supported(spec.name)),
    }
}

/// The methods that have a handler, for the test that compares them with the table.
#[cfg(test)]
pub(crate) fn routed(routes: &[Route]) -> Vec<&'static str> {
    routes.iter().map(|route| route.spec.name).collect()
}
