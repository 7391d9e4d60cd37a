import { expect, test } from 'vitest';
import { modelMetrics } from '../../gateway/http/model-metrics.ts';
import { ModelStats } from '../../gateway/inference/model-stats.ts';

test('histograms and failures of models as Prometheus text', () => {
  const stats = new ModelStats();
  stats.noteRun(3, 2500);
  stats.noteRun(128, 700);
  stats.noteWait('pipeline', 3, 0.2);
  stats.noteFailure('interactive', 'QUEUE_FULL');
  const text = modelMetrics([{ name: 'mlp', version: '1', ...stats }]);
  const of = 'model="mlp",version="1"';
  expect(text).toContain('# TYPE aimx_model_batch_rows histogram');
  expect(text).toContain(`aimx_model_rows_total{${of}} 131`);
  expect(text).toContain(`aimx_model_compute_seconds_total{${of}} 0.0032`);
  expect(text).toContain(`aimx_model_batch_rows_bucket{${of},le="2"} 0\n`);
  expect(text).toContain(`aimx_model_batch_rows_bucket{${of},le="4"} 1\n`);
  expect(text).toContain(`aimx_model_batch_rows_bucket{${of},le="+Inf"} 2\n`);
  expect(text).toContain(`aimx_model_run_seconds_bucket{${of},le="0.001"} 1\n`);
  expect(text).toContain(`aimx_model_wait_seconds_bucket{${of},priority="pipeline",le="0.0003"} 3\n`);
  expect(text).toContain(`aimx_model_failed_total{${of},priority="interactive",code="QUEUE_FULL"} 1\n`);
});

test('models that did nothing have no series, and there are at most twenty', () => {
  const busy = new ModelStats();
  busy.noteRun(1, 1);
  const loads = Array.from({ length: 50 }, (_, i) => ({ name: `m${i}`, version: '1', ...busy, items: i }));
  const text = modelMetrics([...loads, { name: 'idle', version: '1', ...new ModelStats() }]);
  expect(text).not.toContain('idle');
  expect(text.match(/aimx_model_rows_total\{/g)).toHaveLength(20);
  expect(text).toContain('model="m49"');
  expect(modelMetrics([])).toBe('');
});
