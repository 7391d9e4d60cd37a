// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title What devices have measured of models
/// @notice A device signs the results of one benchmark report; anyone may bring them. Results are kept under a key that
/// stands for what was measured, so that strangers can put theirs side by side: the newest of each device counts. A result
/// is its signer's claim; the report behind `reportHash` says how it came about.
contract BenchmarkRegistry is EIP712 {
    /// @notice What was measured, and how well it did.
    /// @param modelSha256 SHA-256 of the model file
    /// @param runtime what ran it, such as `onnx`
    /// @param scenario such as `Offline`
    /// @param metric what the score counts and whether more is better, such as `samples_per_second`
    /// @param score in millionths of the metric's unit
    struct Row {
        bytes32 modelSha256;
        string runtime;
        string scenario;
        string metric;
        uint128 score;
    }

    /// @notice Results of one report. Its EIP-712 struct hash is what the device signs.
    /// @param reportHash Keccak hash of the report's canonical JSON without its signature
    /// @param measuredAt seconds since the epoch
    /// @param board what the device says it is
    struct Report {
        address device;
        bytes32 reportHash;
        uint64 measuredAt;
        string board;
        Row[] rows;
    }

    /// @notice A device's newest result under one key.
    struct Result {
        address device;
        uint64 measuredAt;
        uint128 score;
        bytes32 reportHash;
    }

    /// @notice What results under one key are of.
    struct Subject {
        bytes32 modelSha256;
        string runtime;
        string scenario;
        string metric;
        uint256 results;
    }

    bytes32 private constant ROW =
        keccak256("Row(bytes32 modelSha256,string runtime,string scenario,string metric,uint128 score)");
    bytes32 private constant REPORT = keccak256(
        "Report(address device,bytes32 reportHash,uint64 measuredAt,string board,Row[] rows)Row(bytes32 modelSha256,string runtime,string scenario,string metric,uint128 score)"
    );

    uint256 public constant MAX_ROWS = 64;
    uint256 public constant MAX_TEXT_BYTES = 64;
    /// @notice How far ahead of the chain a device's clock may be.
    uint256 public constant CLOCK_TOLERANCE = 1 days;

    bytes32[] private _keys;
    mapping(bytes32 key => Subject) private _subjects;
    mapping(bytes32 key => Result[]) private _results;
    /// @dev Place in `_results`, counted from 1.
    mapping(bytes32 key => mapping(address device => uint256)) private _places;
    mapping(address device => string) private _boards;

    /// @notice One result was measured; rows of one report come in its order.
    event Measured(
        bytes32 indexed key,
        address indexed device,
        bytes32 indexed reportHash,
        bytes32 modelSha256,
        string runtime,
        string scenario,
        string metric,
        uint128 score,
        uint64 measuredAt,
        string board
    );

    /// @notice The signature is not the device's.
    error WrongSigner(address signer, address expected);
    /// @notice The device has a result of this time or a later one under this key.
    error StaleResult(bytes32 key, uint64 present, uint64 given);
    /// @notice It was measured in the future.
    error WrongTime(uint64 measuredAt);
    /// @notice There are no rows or too many, or a text is empty or too long.
    error WrongReport();

    constructor() EIP712("AIMX Benchmark Registry", "1") {}

    /// @notice Keeps the results of a report. All of them or none.
    function publish(Report calldata report, bytes calldata signature) external {
        if (report.rows.length == 0 || report.rows.length > MAX_ROWS) revert WrongReport();
        if (report.measuredAt > block.timestamp + CLOCK_TOLERANCE) revert WrongTime(report.measuredAt);
        _checkText(report.board);
        address signer = ECDSA.recoverCalldata(_hashTypedDataV4(_hash(report)), signature);
        if (signer != report.device) revert WrongSigner(signer, report.device);
        _boards[report.device] = report.board;
        for (uint256 i; i < report.rows.length; ++i) {
            _keep(report, report.rows[i]);
        }
    }

    /// @notice What stands for model, runtime, scenario and metric.
    function keyOf(bytes32 modelSha256, string calldata runtime, string calldata scenario, string calldata metric)
        public
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                modelSha256, keccak256(bytes(runtime)), keccak256(bytes(scenario)), keccak256(bytes(metric))
            )
        );
    }

    /// @notice Number of keys with results.
    function keyCount() external view returns (uint256) {
        return _keys.length;
    }

    /// @notice Up to `length` keys from number `from` on and what they stand for, oldest first.
    function subjects(uint256 from, uint256 length)
        external
        view
        returns (bytes32[] memory keys, Subject[] memory found)
    {
        uint256 end = _end(from, length, _keys.length);
        (keys, found) = (new bytes32[](end - from), new Subject[](end - from));
        for (uint256 i = from; i < end; ++i) {
            keys[i - from] = _keys[i];
            found[i - from] = _subjects[_keys[i]];
        }
    }

    /// @notice Up to `length` results under a key from number `from` on, one per device, and what boards they are from.
    function results(bytes32 key, uint256 from, uint256 length)
        external
        view
        returns (Result[] memory found, string[] memory boards)
    {
        uint256 end = _end(from, length, _results[key].length);
        (found, boards) = (new Result[](end - from), new string[](end - from));
        for (uint256 i = from; i < end; ++i) {
            found[i - from] = _results[key][i];
            boards[i - from] = _boards[found[i - from].device];
        }
    }

    function _end(uint256 from, uint256 length, uint256 total) private pure returns (uint256) {
        if (from >= total) return from;
        return length < total - from ? from + length : total;
    }

    function _keep(Report calldata report, Row calldata row) private {
        _checkText(row.runtime);
        _checkText(row.scenario);
        _checkText(row.metric);
        bytes32 key = keyOf(row.modelSha256, row.runtime, row.scenario, row.metric);
        Result memory result = Result(report.device, report.measuredAt, row.score, report.reportHash);
        uint256 place = _places[key][report.device];
        if (place == 0) {
            if (_results[key].length == 0) {
                _keys.push(key);
                _subjects[key] = Subject(row.modelSha256, row.runtime, row.scenario, row.metric, 0);
            }
            _results[key].push(result);
            _places[key][report.device] = _results[key].length;
            _subjects[key].results = _results[key].length;
        } else {
            Result storage present = _results[key][place - 1];
            if (present.measuredAt >= report.measuredAt) {
                revert StaleResult(key, present.measuredAt, report.measuredAt);
            }
            _results[key][place - 1] = result;
        }
        _tell(key, report, row);
    }

    function _tell(bytes32 key, Report calldata report, Row calldata row) private {
        emit Measured(
            key,
            report.device,
            report.reportHash,
            row.modelSha256,
            row.runtime,
            row.scenario,
            row.metric,
            row.score,
            report.measuredAt,
            report.board
        );
    }

    function _checkText(string calldata text) private pure {
        uint256 size = bytes(text).length;
        if (size == 0 || size > MAX_TEXT_BYTES) revert WrongReport();
    }

    function _hash(Report calldata report) private pure returns (bytes32) {
        bytes32[] memory rows = new bytes32[](report.rows.length);
        for (uint256 i; i < rows.length; ++i) {
            Row calldata row = report.rows[i];
            rows[i] = keccak256(
                abi.encode(
                    ROW,
                    row.modelSha256,
                    keccak256(bytes(row.runtime)),
                    keccak256(bytes(row.scenario)),
                    keccak256(bytes(row.metric)),
                    row.score
                )
            );
        }
        return keccak256(
            abi.encode(
                REPORT,
                report.device,
                report.reportHash,
                report.measuredAt,
                keccak256(bytes(report.board)),
                keccak256(abi.encodePacked(rows))
            )
        );
    }
}
