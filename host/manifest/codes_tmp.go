package manifest

var keyCodes, valueCodes, referenceCodes, moduleCodes, brokerCodes []Explanation
