// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token that calls somebody back in the middle of its next transfer, and remembers what came of it.
contract ReentrantToken is ERC20 {
    address private _target;
    bytes private _data;
    /// @notice Whether the call back went through, and what it answered.
    bool public succeeded;
    bytes public answer;

    constructor(address treasury) ERC20("Reentrant", "RE") {
        _mint(treasury, 1_000_000e18);
    }

    function arm(address target, bytes calldata data) external {
        (_target, _data, succeeded, answer) = (target, data, false, "");
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (_target == address(0)) return;
        address target = _target;
        _target = address(0);
        (succeeded, answer) = target.call(_data);
    }
}
