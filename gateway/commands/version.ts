export { packageRoot, version } from '../system/version.ts';
