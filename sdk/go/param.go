package slip

import "github.com/sliphost/sliphost/abi"

// param is a declared parameter of any type.
type param struct {
	desc  abi.ParamDesc
	index int
}

// paramRefs counts the declared parameters: a param's index is its number.
var paramRefs int

// paramValue is a parameter's value for one handler of a manifest.
type paramValue struct {
	str string
	num int64
	flt float64
	yes bool
	set bool
}

func newParam(name string, t abi.ParamType, def []byte, help string) param {
	mustName("slip: parameter", name)
	paramRefs++
	return param{desc: abi.ParamDesc{Name: name, Type: t, Default: def, Help: help}, index: paramRefs - 1}
}

func (p *param) bind(h *handler) {
	for i := range h.desc.Params {
		if h.desc.Params[i].Name == p.desc.Name {
			panic("slip.Handle: handler " + h.desc.Name + " binds two parameters named " + p.desc.Name)
		}
	}
	h.desc.Params = append(h.desc.Params, p.desc)
	h.params = append(h.params, p)
}

// none is what an unbound parameter reads as, after failing the record.
var none paramValue

// value returns what the manifest gives the parameter for this handler.
func (p *param) value(c *Call) *paramValue {
	c.check()
	if p.index < len(c.b.params) && c.b.params[p.index].set {
		return &c.b.params[p.index]
	}
	c.fail(abi.CodeUnbound, "parameter \""+p.desc.Name+"\" is not bound: add it to slip.Handle of handler \""+c.b.h.desc.Name+"\"")
	return &none
}

// decode reads a value of the parameter's type from an Init message.
func (p *param) decode(raw []byte) (v paramValue, err error) {
	r := abi.NewReader(raw)
	switch p.desc.Type {
	case abi.ParamString:
		v.str = string(r.Str())
	case abi.ParamInt:
		v.num = r.Int()
	case abi.ParamFloat:
		v.flt = r.Float()
	case abi.ParamBool:
		v.yes = r.Bool()
	}
	v.set = true
	return v, r.Err()
}

// StringRef is a parameter that holds text.
type StringRef struct{ param }

// StringParam declares a parameter of text with a default. Declare it as a
// package variable and bind it with [Handle]; help is what `sliphost inspect`
// shows.
func StringParam(name, def, help string) *StringRef {
	return &StringRef{newParam(name, abi.ParamString, abi.AppendStr(nil, def), help)}
}

// RequiredString declares a parameter of text that the manifest must give.
func RequiredString(name, help string) *StringRef {
	return &StringRef{newParam(name, abi.ParamString, nil, help)}
}

// Get returns the value for the handler that c belongs to.
func (p *StringRef) Get(c *Call) string { return p.value(c).str }

// IntRef is a parameter that holds a whole number.
type IntRef struct{ param }

// IntParam declares a parameter of a whole number with a default; see
// [StringParam].
func IntParam(name string, def int, help string) *IntRef {
	return &IntRef{newParam(name, abi.ParamInt, abi.AppendInt(nil, int64(def)), help)}
}

// RequiredInt declares a whole number that the manifest must give.
func RequiredInt(name, help string) *IntRef {
	return &IntRef{newParam(name, abi.ParamInt, nil, help)}
}

// Get returns the value for the handler that c belongs to.
func (p *IntRef) Get(c *Call) int { return int(p.value(c).num) }

// FloatRef is a parameter that holds a number.
type FloatRef struct{ param }

// FloatParam declares a parameter of a number with a default; see
// [StringParam].
func FloatParam(name string, def float64, help string) *FloatRef {
	return &FloatRef{newParam(name, abi.ParamFloat, abi.AppendFloat(nil, def), help)}
}

// RequiredFloat declares a number that the manifest must give.
func RequiredFloat(name, help string) *FloatRef {
	return &FloatRef{newParam(name, abi.ParamFloat, nil, help)}
}

// Get returns the value for the handler that c belongs to.
func (p *FloatRef) Get(c *Call) float64 { return p.value(c).flt }

// BoolRef is a parameter that is true or false.
type BoolRef struct{ param }

// BoolParam declares a parameter that is true or false, with a default; see
// [StringParam].
func BoolParam(name string, def bool, help string) *BoolRef {
	return &BoolRef{newParam(name, abi.ParamBool, abi.AppendBool(nil, def), help)}
}

// RequiredBool declares a truth value that the manifest must give.
func RequiredBool(name, help string) *BoolRef {
	return &BoolRef{newParam(name, abi.ParamBool, nil, help)}
}

// Get returns the value for the handler that c belongs to.
func (p *BoolRef) Get(c *Call) bool { return p.value(c).yes }
