//! `update_plan`: the model tells its plan.

use loomd_events::ToolEvent;
use loomd_protocol::{TurnPlanStep, TurnPlanStepStatus};
use serde::Deserialize;

/// Arguments of `update_plan`.
#[derive(Debug, Deserialize)]
pub(crate) struct PlanParams {
    #[serde(default)]
    explanation: Option<String>,
    plan: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    step: String,
    status: Status,
}

/// The protocol writes these in camel case, the model in snake case.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    InProgress,
    Completed,
}

impl From<PlanParams> for ToolEvent {
    fn from(params: PlanParams) -> Self {
        let step = |step: Step| TurnPlanStep {
            step: step.step,
            status: match step.status {
                Status::Pending => TurnPlanStepStatus::Pending,
                Status::InProgress => TurnPlanStepStatus::InProgress,
                Status::Completed => TurnPlanStepStatus::Completed,
            },
        };
        Self::Plan {
            explanation: params.explanation,
            plan: params.plan.into_iter().map(step).collect(),
        }
    }
}
