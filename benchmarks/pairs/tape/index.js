'use strict';

// As much of tape as the project's tests use, on top of node's assert.
var assert = require('assert');

module.exports = function (name, run) {
	var planned = null;
	var made = 0;
	function check(f) {
		return function (actual, expected, text) {
			made += 1;
			f(actual, expected, name + ': ' + text);
		};
	}
	run({
		plan: function (n) { planned = n; },
		end: function () {},
		deepEqual: check(assert.deepEqual),
		same: check(assert.deepEqual),
		equal: check(assert.strictEqual),
		ok: check(function (value, text) { assert.ok(value, text); }),
		throws: check(function (f, expected) { assert.throws(f, expected); })
	});
	if (planned !== null) { assert.strictEqual(made, planned, name + ': planned'); }
};
