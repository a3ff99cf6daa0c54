//! One run: a schedule of steps, each with draws of its own, and then the calm in which everything must come to its end.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::chaos::{Chaos, at_once};
use crate::dice::Dice;
use crate::disk::Medium;
use crate::faulty::Defect;
use crate::intent::{IntentId, Request};
use crate::judge::{Standing, is_safe};
use crate::scene::Scene;
use crate::weather::Weather;
use crate::wishes::Wishes;

/// What is run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// From which all follows.
    pub seed: u64,
    /// The steps that are taken, by number, in order. Leaving some out does not change what the others draw.
    pub steps: Vec<u32>,
    /// On what.
    pub medium: Medium,
    /// What is wrong with the store, in a test of the simulator.
    pub defect: Option<Defect>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What happened, line by line: the same whenever the same plan is run.
    pub trace: Vec<String>,
    /// What went wrong, if anything did.
    pub failure: Option<Failure>,
    /// How often something was stored.
    pub commits: u64,
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How many steps of the plan were taken by then.
    pub steps: usize,
    /// What.
    pub message: String,
}

impl Plan {
    /// The first `steps` steps of `seed`, in memory.
    pub fn new(seed: u64, steps: u32) -> Self {
        Self { seed, steps: (0..steps).collect(), medium: Medium::Memory, defect: None }
    }

    /// Runs it.
    pub fn run(&self) -> Outcome {
        let dice = Dice::new(self.seed);
        let weather = Weather::drawn(&dice);
        let chaos = Chaos::new(dice, weather);
        let (mut taken, trace) = (0, chaos.trace.clone());
        trace.note(format!("seed {}: {:?}", self.seed, chaos.weather()));
        let failure =
            self.play(&chaos, &mut taken).err().map(|error| Failure { steps: taken, message: format!("{error:#}") });
        if let Some(failure) = &failure {
            trace.note(format!("FAILED: {}", failure.message));
        }
        let lines = trace.lines().clone();
        Outcome { trace: lines, failure, commits: chaos.commits() }
    }

    fn play(&self, chaos: &Chaos, taken: &mut usize) -> Result<()> {
        let mut scene = Scene::open(chaos.clone(), self.medium, self.defect)?;
        let mut wishes = Wishes::default();
        for step in &self.steps {
            *taken += 1;
            chaos.trace.note(format!("step {step}"));
            chaos.dice.turn_to(self.seed, u64::from(*step));
            scene.step(&mut wishes)?;
        }
        chaos.dice.turn_to(self.seed, u64::from(u32::MAX));
        chaos.trace.note("calm");
        chaos.calm_down();
        scene.end()
    }
}

impl Scene {
    /// One step: something comes from outside, then some tasks go on.
    fn step(&mut self, wishes: &mut Wishes) -> Result<()> {
        let (dice, weather) = (self.chaos.dice.clone(), self.chaos.weather());
        match dice.below(100) {
            0..=44 => self.wish(wishes),
            45..=69 => self.repeat(),
            70..=79 => {
                let seconds = if dice.chance(20) { dice.below(3_600) } else { dice.below(20) };
                self.move_clock(Duration::from_millis(seconds * 1_000 + dice.below(1_000)), false);
            }
            80..=81 if weather.clock_goes_back => self.move_clock(Duration::from_secs(dice.below(90)), true),
            80..=88 => self.tell(),
            89..=91 => self.sweep(),
            92..=95 if dice.chance(weather.crashes * 10) => {
                let number = self.some_process();
                self.chaos.trace.note(format!("  p{number} is torn"));
                self.tear(number)?;
            }
            _ => {
                let handlers: Vec<_> = self.handlers.keys().copied().collect();
                if let Some(task) = dice.pick(&handlers).filter(|_| dice.chance(weather.hang_ups * 10)) {
                    self.hang_up(*task);
                }
            }
        }
        for _ in 0..dice.below(9) {
            let ready = self.executor.ready();
            let Some(task) = dice.pick(&ready) else { break };
            self.poll(*task)?;
        }
        Ok(())
    }

    fn wish(&mut self, wishes: &mut Wishes) {
        let dice = self.chaos.dice.clone();
        let Some(request) = wishes.draw(&dice, &self.judge) else { return };
        let key = self.idempotency_key(&request);
        let intent = self.judge.want(request, key);
        let intents = self.together(intent);
        self.send_somewhere(intents);
    }

    /// A key of its own, or at times one that was used for something else; none at times where none is needed.
    fn idempotency_key(&self, request: &Request) -> Option<String> {
        let dice = &self.chaos.dice;
        let scope = request.scope()?;
        let can_do_without = matches!(request, Request::Trade(_)) && request.posting().is_some();
        if can_do_without && dice.chance(10) {
            return None;
        }
        let same: Vec<_> = self.judge.intents.iter().filter(|of| of.sent.request.scope() == Some(scope)).collect();
        // The same request under the same key would be the same intent.
        let is_new =
            |key: &String| !same.iter().any(|of| of.sent.request == *request && of.sent.key.as_ref() == Some(key));
        // Merges and erasures are not told apart by a fingerprint, only by whom they are about.
        let is_life = matches!(request, Request::Life(_));
        let other = dice.pick(&same).filter(|_| !is_life && dice.chance(7)).and_then(|of| of.sent.key.clone());
        other.filter(is_new).or_else(|| Some(format!("key-{}", self.judge.intents.len())))
    }

    /// An import takes others along that wait.
    fn together(&self, first: IntentId) -> Vec<IntentId> {
        let is_import = |id: &IntentId| {
            let intent = self.judge.intents.get(*id);
            intent.is_some_and(|intent| matches!(intent.sent.request, Request::Import(_)))
        };
        let mut intents = vec![first];
        if is_import(&first) {
            let others = 0..self.judge.intents.len();
            intents.extend(others.filter(|id| *id != first && is_import(id) && self.chaos.dice.chance(30)).take(3));
        }
        intents
    }

    /// Asks again for what has no answer, at times for what has one.
    fn repeat(&mut self) {
        let dice = self.chaos.dice.clone();
        let wants_open = dice.chance(75);
        let intents = self.judge.intents.iter().enumerate();
        let asked: Vec<IntentId> = intents
            .filter(|(_, intent)| is_safe(intent) && (intent.standing == Standing::Open) == wants_open)
            .map(|(id, _)| id)
            .collect();
        if let Some(intent) = dice.pick(&asked) {
            let intents = self.together(*intent);
            self.send_somewhere(intents);
        }
    }

    fn send_somewhere(&mut self, intents: Vec<IntentId>) {
        let (dice, number) = (self.chaos.dice.clone(), self.some_process());
        let keys: Vec<String> = self.judge.keys.iter().map(|key| key.text.clone()).collect();
        // The newest ones are those that are about to end, or just have.
        let newest = keys.get(keys.len().saturating_sub(2)..).filter(|_| dice.chance(50)).unwrap_or(&keys);
        let other = dice.pick(newest).filter(|_| dice.chance(40)).or(keys.first()).cloned();
        self.send(intents, number, &other.unwrap_or_default());
    }

    fn some_process(&self) -> usize {
        let count = u64::try_from(self.processes.len()).unwrap_or(1);
        usize::try_from(self.chaos.dice.below(count)).unwrap_or(0)
    }

    fn tell(&mut self) {
        let number = self.some_process();
        if let Some(process) = self.processes.get(number).cloned() {
            let studio = self.studio.clone();
            self.executor.spawn(number, "telling", async move { studio.tell(&process).await });
        }
    }

    fn sweep(&mut self) {
        let number = self.some_process();
        if let Some(process) = self.processes.get(number).cloned() {
            self.executor.spawn(number, "sweeping", async move {
                use domain::webhooks::Outbox;
                drop(process.lobbies.sweep().await);
                drop(process.store.tell_expiries(process.now(), 100).await);
            });
        }
    }

    /// Lets everything that can go on do so.
    fn settle_down(&mut self) -> Result<()> {
        for _ in 0..100_000 {
            let ready = self.executor.ready();
            let Some(task) = self.chaos.dice.pick(&ready) else {
                self.judge.settled_down();
                return Ok(());
            };
            self.poll(*task)?;
        }
        bail!("the tasks never come to rest")
    }

    /// Nothing fails any more: studios ask until they know, everything is told, and the judge looks for the last time.
    fn end(&mut self) -> Result<()> {
        self.settle_down()?;
        for round in 0..3 {
            for id in 0..self.judge.intents.len() {
                let intent = self.judge.intents.get(id).filter(|intent| is_safe(intent));
                let is_open = intent
                    .is_some_and(|intent| intent.standing == Standing::Open || (round == 0 && intent.effect.is_some()));
                if is_open {
                    let key = self.judge.keys.first().map(|key| key.text.clone()).unwrap_or_default();
                    let number = self.some_process();
                    self.send(vec![id], number, &key);
                    self.settle_down()?;
                }
            }
        }
        self.move_clock(Duration::from_secs(400), false);
        for _ in 0..40 {
            self.sweep();
            self.settle_down()?;
            self.tell();
            self.settle_down()?;
            self.move_clock(Duration::from_secs(7_200), false);
            if self.is_told()? {
                break;
            }
        }
        ensure!(self.is_told()?, "something is never delivered");
        let (heard, values) = (self.studio.heard(), self.values());
        self.judge.end(&heard, &self.endpoints, values.as_deref())
    }

    fn is_told(&self) -> Result<bool> {
        Ok(at_once(self.judge.lag())? == 0)
    }
}
