import { createOnnxRunner } from '../../gateway/inference/runners/onnx.ts';
import { modelRunnerContract } from '../contracts/model-runner.ts';

modelRunnerContract('onnx runner', createOnnxRunner);
