import { parentPort, workerData } from 'node:worker_threads';
import { verifyAuditLog } from '../audit/verify.ts';
import { parseVerifier } from '../transparency/key.ts';
import type { VerifyAnswer, VerifyTask } from './evidence.ts';

/** A thread that verifies a log while another reads it. */
const { folder, key, before } = workerData as VerifyTask;
const say = (answer: VerifyAnswer): void => parentPort?.postMessage(answer);

try {
  const onProgress = (done: number, all: number): void => say({ type: 'progress', done, all });
  const verification = await verifyAuditLog({ folder, key: parseVerifier(key), before, onProgress });
  say({ type: 'done', verification });
} catch (error) {
  say({ type: 'failed', message: (error as Error).message });
}
