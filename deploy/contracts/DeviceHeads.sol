// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {BillingTypes} from "./BillingTypes.sol";

/// @title Which receipts a device has committed to, in which order
/// @notice Each device owns one chain of batches. A batch is the Merkle root over receipts of all its channels; posting
/// is a compare-and-swap on the device's head, so a batch can be posted once and only after its predecessor.
abstract contract DeviceHeads is EIP712 {
    /// @notice What a device has committed to so far.
    /// @param head EIP-712 struct hash of the newest batch; zero before the first
    /// @param toSeq number of receipts committed to, over all channels
    /// @param batches number of batches posted
    /// @param total amount of all those receipts, in the token's smallest unit
    struct Head {
        bytes32 head;
        uint64 toSeq;
        uint64 batches;
        uint128 total;
    }

    mapping(address device => Head) private _heads;

    /// @notice A batch was posted. Its receipts are those after the previous event's `toSeq`, up to `toSeq`.
    event BatchPosted(
        address indexed device,
        uint64 indexed batch,
        bytes32 indexed head,
        bytes32 prevHead,
        bytes32 root,
        uint64 toSeq,
        uint128 total
    );

    /// @notice The device's head is another one than the batch builds on: it was posted already, or is stale.
    error StaleHead(bytes32 expected, bytes32 given);
    /// @notice A batch holds at least one receipt.
    error SeqNotAdvanced(uint64 present, uint64 given);
    /// @notice Totals never fall.
    error TotalDecreased(uint128 present, uint128 given);
    /// @notice The signature is not that of who had to sign.
    error WrongSigner(address signer, address expected);

        /// @notice Posts a batch for the calling device.
    /// @param prevHead the head the batch builds on; zero for the first
    /// @param root Merkle root over the batch's receipts
    /// @param toSeq number of receipts the device has committed to after this batch
    /// @param total amount of all of them
    function post(bytes32 prevHead, bytes32 root, uint64 toSeq, uint128 total) external {
        _post(msg.sender, BillingTypes.batch(prevHead, root, toSeq, total), prevHead, root, toSeq, total);
    }

    /// @notice Posts a batch that `device` has signed (EIP-712 `Batch`); anyone may pay the gas. The device itself needs
    /// no signature.
    function postFor(
        address device,
        bytes32 prevHead,
        bytes32 root,
        uint64 toSeq,
        uint128 total,
        bytes calldata signature
    ) public {
        bytes32 newHead = BillingTypes.batch(prevHead, root, toSeq, total);
        if (msg.sender != device) {
            _requireSigner(device, ECDSA.recoverCalldata(_hashTypedDataV4(newHead), signature));
        }
        _post(device, newHead, prevHead, root, toSeq, total);
    }

    /// @notice The device's newest commitment; all zero before the first.
    function headOf(address device) external view returns (Head memory) {
        return _heads[device];
    }

    /// @dev Reverts unless `signer`, as recovered, is `expected`.
    function _requireSigner(address expected, address signer) internal pure {
        if (signer != expected) revert WrongSigner(signer, expected);
    }

    function _post(
        address device,
        bytes32 newHead,
        bytes32 prevHead,
        bytes32 root,
        uint64 toSeq,
        uint128 total
    ) private {
        Head storage h = _heads[device];
        if (h.head != prevHead) revert StaleHead(h.head, prevHead);
        (uint64 presentSeq, uint64 batches, uint128 presentTotal) = (h.toSeq, h.batches, h.total);
        if (toSeq <= presentSeq) revert SeqNotAdvanced(presentSeq, toSeq);
        if (total < presentTotal) revert TotalDecreased(presentTotal, total);
        unchecked {
            ++batches; // toSeq grows with each batch and is 64 bits wide too
        }
        (h.head, h.toSeq, h.batches, h.total) = (newHead, toSeq, batches, total);
        emit BatchPosted(device, batches, newHead, prevHead, root, toSeq, total);
    }
}
