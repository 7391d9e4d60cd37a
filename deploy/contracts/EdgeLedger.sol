// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {PaymentChannels} from "./PaymentChannels.sol";

/// @title The ledger of edge billing
/// @notice What devices have committed to (heads), what payers have put in escrow (channels), and what devices stand to lose
/// (bonds). Immutable: no owner, no upgrade, nobody has power over funds.
contract EdgeLedger is PaymentChannels {
    /// @param guardian may stop new deposits and nothing else; zero: nobody may
    constructor(address guardian) EIP712("AIMX Edge Billing", "1") PaymentChannels(guardian) {}
}
