//! stub
/// x
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Schedule {
    /** a */
    #[default]
    Constant,
}
impl Schedule {
    pub(crate) fn check(&self) -> crate::Result<()> {
        Ok(())
    }
}
#[derive(Debug, Default)]
pub(crate) struct ScheduleState;
impl ScheduleState {
    pub fn learning_rate(&self, base: f64, _: &Schedule, _: usize, _: usize) -> f64 {
        base
    }
    pub fn observe(&mut self, _: &Schedule, _: f64) {}
}
