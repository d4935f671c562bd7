/** aftertune as a library: `audit(config)` is the whole method; the rest are its records and contracts. */

export { type AuditOptions, type AuditResult, audit, trainOnly } from './audit.ts';
export { type Builtin, builtin, type ModelSource } from './builtin.ts';
export { type Config, type ConfigInput, configSchema } from './config.ts';
export { readConfigFile } from './config-file.ts';
export { resolveConfig } from './config-resolve.ts';
export type { Conversation, Message } from './conversation.ts';
export { AuditError, type ErrorCode, exitCode } from './errors.ts';
export type { MarginRecord, VarianceBudget } from './harm-record.ts';
export { type ImportOptions, importRun } from './import-run.ts';
export { type JudgeRunOptions, type JudgeRunResult, judgeRun } from './judge-run.ts';
export type {
  AnswerPart,
  ContinuationScore,
  Decoding,
  FirstTokenMass,
  GeneratedToken,
  Generation,
  HiddenStates,
  HiddenStatesRequest,
  LanguageModel,
  Prompt,
  PromptText,
  RenderedPrompt,
} from './model.ts';
export { type MockOptions, mockModel } from './models/mock.ts';
export type { Progress } from './progress.ts';
export type { ItemRecord, RunDocument, Summary, Verdict, VerdictRecord } from './record.ts';
export type {
  Answered,
  ClusterVerdict,
  HarmVerdict,
  RefusalVerdict,
  Scorer,
  TruthVerdict,
  UtilityVerdict,
} from './scorer.ts';
export { readRun, type StoredRun, verifyRun } from './store.ts';
export type { AnswerKey, Suite, SuiteItem, SuiteKind } from './suite.ts';
export type { TrainedArm } from './train-arms.ts';
export type {
  TrainedAdapter,
  Trainer,
  TrainingJob,
  TrainingRow,
  TrainingSettings,
  TrainingStep,
} from './trainer.ts';
